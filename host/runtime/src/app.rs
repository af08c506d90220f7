//! An application: its components, compiled and ready, and the routes to them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi_http::handler::ProxyHandler;

use crate::Body;
use crate::admission::{IsolationOptions, Lane, Lanes};
use crate::cache::{Cache, CacheKey};
pub use crate::call::CallError;
use crate::call::{LoadedComponent, add_route_headers};
use crate::compose::{self, ComposeError, DependencySource};
use crate::engine::{Limits, Ticker, new_engine, start_ticker};
use crate::handler::ComponentState;
use crate::imports::check_inherited;
pub use crate::imports::component_imports;
use crate::instance::{Grants, InstanceState};
use crate::isolated::{Background, Isolated};
use crate::manifest::{self, Manifest};
use crate::outbound::{HostPattern, InProcess};
use crate::route::{Pattern, Routes};
use crate::storage::Storage;
use crate::turnstile::Turnstile;
use crate::variables::{self, MissingVariable};

/// Why an application did not load.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A component's file is missing or unreadable.
    #[error("component '{component}': cannot read {path}; build it with the 'build' command first")]
    Source {
        /// The component.
        component: String,
        /// Its file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A component could not be linked with its dependencies.
    #[error("component '{component}' cannot be linked")]
    Compose {
        /// The component.
        component: String,
        /// Why.
        #[source]
        source: ComposeError,
    },
    /// A dependency uses an ability that the manifest does not let it inherit.
    #[error(
        "component '{component}': dependency '{dependency}' imports {import}, which needs '{key}' in its \
         inherit_configuration"
    )]
    NotInherited {
        /// The dependent.
        component: String,
        /// The dependency.
        dependency: String,
        /// The import.
        import: String,
        /// The manifest key that shares it.
        key: &'static str,
    },
    /// A component does not compile, or imports what this host does not have.
    #[error("component '{component}' cannot run on this node: {message}")]
    Compile {
        /// The component.
        component: String,
        /// What the engine said.
        message: String,
    },
    /// The engine could not be built.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
    /// A required variable is not set.
    #[error(transparent)]
    Variable(#[from] MissingVariable),
}

/// What an application is loaded with.
pub struct AppBuilder {
    manifest: Manifest,
    limits: Limits,
    storage: Arc<dyn Storage>,
    in_process: Option<Arc<dyn InProcess>>,
    settings: BTreeMap<String, String>,
    on_compile: CompileObserver,
    isolation: Vec<IsolationOptions>,
}

/// A component that is about to be compiled to machine code, which takes tens of seconds for a large one.
#[derive(Clone, Copy, Debug)]
pub struct Compiling<'a> {
    /// The component's id.
    pub id: &'a str,
    /// Its place among the components with a trigger, from 1.
    pub number: usize,
    /// How many components have a trigger.
    pub of: usize,
    /// Components that are linked into it.
    pub dependencies: usize,
    /// Size of all of them together.
    pub bytes: usize,
}

/// Hears of each compilation before it begins; what it returns is called at the end.
pub type CompileObserver = fn(&Compiling<'_>) -> Box<dyn FnOnce()>;

/// A running application.
pub struct App {
    routes: Routes<Arc<LoadedComponent>>,
    components: Vec<Arc<LoadedComponent>>,
    name: String,
    _ticker: Arc<Ticker>,
}

/// What applications of one process share: the engine with its pool of memory, what it links, and what was compiled.
pub struct Runtime {
    engine: Engine,
    cache: Cache,
    linker: Linker<InstanceState>,
    ticker: Arc<Ticker>,
    background: Arc<Background>,
}

impl Runtime {
    /// An engine for components under those limits, which keeps what it compiles in that folder.
    ///
    /// # Errors
    /// When the engine cannot start or the folder cannot be used.
    pub fn new(limits: &Limits, cache_folder: &Path) -> Result<Self, AppError> {
        let failed = |e: wasmtime::Error| AppError::Engine(format!("{e:#}"));
        let engine = new_engine(limits).map_err(failed)?;
        let cache = Cache::open(cache_folder).map_err(|e| AppError::Engine(format!("cache: {e}")))?;
        let linker = new_linker(&engine).map_err(failed)?;
        let ticker = Arc::new(start_ticker(&engine));
        let background = Background::start().map_err(|e| AppError::Engine(format!("threads: {e}")))?;
        Ok(Self { engine, cache, linker, ticker, background: Arc::new(background) })
    }
}

impl AppBuilder {
    /// Starts from a manifest, with default limits, no storage and no settings.
    #[must_use]
    pub fn new(manifest: Manifest) -> Self {
        Self {
            manifest,
            limits: Limits::default(),
            storage: Arc::new(crate::storage::NoStorage),
            in_process: None,
            settings: BTreeMap::new(),
            on_compile: |_| Box::new(|| ()),
            isolation: Vec::new(),
        }
    }

    /// Routes whose requests do not share an instance with others.
    #[must_use]
    pub fn isolate(mut self, isolation: Vec<IsolationOptions>) -> Self {
        self.isolation = isolation;
        self
    }

    /// A host that components may call and that answers within the process, where their manifest allows it.
    #[must_use]
    pub fn in_process(mut self, host: Arc<dyn InProcess>) -> Self {
        self.in_process = Some(host);
        self
    }

    /// Who hears of compilations: those that the cache does not spare.
    #[must_use]
    pub fn on_compile(mut self, observer: CompileObserver) -> Self {
        self.on_compile = observer;
        self
    }

    /// What each component may use.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The node's databases and stores.
    #[must_use]
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.storage = storage;
        self
    }

    /// Values of the application's variables.
    #[must_use]
    pub fn variables(mut self, settings: BTreeMap<String, String>) -> Self {
        self.settings = settings;
        self
    }

    /// Compiles what the cache does not have, and links everything.
    ///
    /// # Errors
    /// When a file is missing, a component does not link or compile, or a variable is not set.
    pub fn load(self, cache_folder: &Path) -> Result<App, AppError> {
        let runtime = Runtime::new(&self.limits, cache_folder)?;
        self.load_in(&runtime)
    }

    /// The same in an engine that other applications use too.
    ///
    /// # Errors
    /// As [`AppBuilder::load`].
    pub fn load_in(self, runtime: &Runtime) -> Result<App, AppError> {
        let values = variables::application_values(&self.manifest, &self.settings)?;

        let mut loaded: BTreeMap<String, Arc<LoadedComponent>> = BTreeMap::new();
        let mut routes = Vec::new();
        let all: BTreeSet<&String> = self.manifest.triggers.iter().map(|t| t.component.get_ref()).collect();
        for trigger in &self.manifest.triggers {
            let id = trigger.component.get_ref();
            if !loaded.contains_key(id) {
                let place = (loaded.len() + 1, all.len());
                let component = self.load_component(runtime, id, place, &values)?;
                loaded.insert(id.clone(), Arc::new(component));
            }
            if let manifest::RoutePattern::Path(path) = trigger.route.get_ref()
                && let Ok(pattern) = Pattern::parse(path)
            {
                routes.push((pattern, loaded[id].clone()));
            }
        }
        Ok(App {
            routes: Routes::new(routes),
            components: loaded.into_values().collect(),
            name: self.manifest.application.name,
            _ticker: runtime.ticker.clone(),
        })
    }

    fn load_component(
        &self,
        runtime: &Runtime,
        id: &str,
        (number, of): (usize, usize),
        values: &BTreeMap<String, String>,
    ) -> Result<LoadedComponent, AppError> {
        let Runtime { engine, cache, .. } = runtime;
        let definition = &self.manifest.components[id];
        let failed =
            |e: wasmtime::Error| AppError::Compile { component: id.to_owned(), message: format!("{e:#}") };
        let bytes = read_source(id, &self.manifest.source_path(definition))?;
        let dependencies = self.read_dependencies(id, definition)?;

        let parts = std::iter::once(bytes.as_slice())
            .chain(dependencies.iter().flat_map(|d| [d.name.as_bytes(), d.bytes.as_slice()]));
        let key = CacheKey::new(engine, parts);
        let component = match cache.load(engine, &key) {
            Some(component) => component,
            None => {
                let count = dependencies.len();
                let linked = compose::compose(id, bytes, &dependencies)
                    .map_err(|source| AppError::Compose { component: id.to_owned(), source })?;
                let compiling = Compiling { id, number, of, dependencies: count, bytes: linked.len() };
                let compiled = (self.on_compile)(&compiling);
                let component = cache.compile(engine, &key, &linked).map_err(failed)?;
                compiled();
                component
            }
        };
        self.prepare(runtime, id, definition, &component, values).map_err(failed)
    }

    fn prepare(
        &self,
        runtime: &Runtime,
        id: &str,
        definition: &manifest::Component,
        component: &Component,
        values: &BTreeMap<String, String>,
    ) -> wasmtime::Result<LoadedComponent> {
        let labels = |labels: &[String]| labels.to_vec();
        let grants = Arc::new(Grants {
            id: id.to_owned(),
            databases: labels(&definition.sqlite_databases)
                .into_iter()
                .map(|l| (l.clone(), self.storage.database(&l)))
                .collect(),
            stores: labels(&definition.key_value_stores)
                .into_iter()
                .map(|l| (l.clone(), self.storage.key_value(&l)))
                .collect(),
            variables: variables::component_values(definition, values),
            environment: definition.environment.clone().into_iter().collect(),
            outbound: definition
                .allowed_outbound_hosts
                .iter()
                .filter_map(|host| HostPattern::parse(&variables::resolved(host.get_ref(), values)?).ok())
                .collect(),
            in_process: self.in_process.clone(),
        });
        let pre = runtime.linker.instantiate_pre(component)?;
        let state = ComponentState::new(&runtime.engine, pre, grants, self.limits)?;
        let isolated = self.isolation.iter().map(|options| {
            let handler = |_| ProxyHandler::new(state.one_at_a_time());
            let handlers = (0..options.requests_max).map(handler).collect();
            Isolated::new(options, handlers, self.limits.request_timeout, runtime.background.clone())
        });
        Ok(LoadedComponent {
            id: id.to_owned(),
            health: state.health(),
            population: state.population(),
            lanes: Lanes::new(&self.limits),
            turnstile: Turnstile::for_processors(),
            isolated: isolated.collect(),
            handler: ProxyHandler::new(state),
        })
    }

    fn read_dependencies(
        &self,
        id: &str,
        definition: &manifest::Component,
    ) -> Result<Vec<DependencySource>, AppError> {
        let mut sources = Vec::new();
        for (name, dependency) in &definition.dependencies {
            let name = name.get_ref();
            let path = match (&dependency.component, &dependency.path) {
                (Some(component), _) => {
                    self.manifest.source_path(&self.manifest.components[component.get_ref()])
                }
                (None, Some(path)) => self.manifest.root.join(path),
                (None, None) => continue,
            };
            let bytes = read_source(id, &path)?;
            check_inherited(id, name, definition, &dependency.inherit_configuration, &bytes)?;
            sources.push(DependencySource { name: name.clone(), export: dependency.export.clone(), bytes });
        }
        Ok(sources)
    }
}

fn read_source(component: &str, path: &Path) -> Result<Vec<u8>, AppError> {
    std::fs::read(path).map_err(|source| AppError::Source {
        component: component.to_owned(),
        path: path.to_owned(),
        source,
    })
}

fn new_linker(engine: &Engine) -> wasmtime::Result<Linker<InstanceState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    crate::interfaces::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// What a component did, for metrics.
#[derive(Clone, Debug)]
pub struct ComponentStatus {
    /// The component's id.
    pub id: String,
    /// Public requests it may still take at once.
    pub permits_free: usize,
    /// Requests each other lane and each isolated group may still take at once, by name.
    pub others_free: Vec<(String, usize)>,
    /// Instances that ended by a trap or at a limit.
    pub traps: u64,
    /// Instances that live now.
    pub instances: usize,
    /// Instances that were started so far.
    pub instances_started: u64,
}

impl App {
    /// Name of the application.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every route with its component.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.routes.iter().map(|(pattern, component)| (pattern, component.id.as_str()))
    }

    /// What each component did so far.
    pub fn status(&self) -> impl Iterator<Item = ComponentStatus> + '_ {
        self.components.iter().map(|c| ComponentStatus {
            id: c.id.clone(),
            permits_free: c.lanes.free(Lane::Public),
            others_free: c.others_free(),
            traps: c.health.traps(),
            instances: c.population.live(),
            instances_started: c.population.started(),
        })
    }

    /// Says that the node is leaving: instances that end from now on end with it, and are no failure.
    pub fn leave(&self) {
        for component in &self.components {
            component.health.leave();
        }
    }

    /// Sends a request to the component whose route matches, in a lane. The URI must be absolute.
    ///
    /// # Errors
    /// When no route matches, or the component is full, too slow or failing.
    pub async fn call(
        &self,
        lane: Lane,
        mut request: http::Request<Body>,
    ) -> Result<http::Response<Body>, CallError> {
        let (component, matched) = self
            .routes
            .find(request.uri().path())
            .ok_or_else(|| CallError::NoRoute(request.uri().path().to_owned()))?;
        add_route_headers(request.headers_mut(), &matched);
        component.call(lane, request).await
    }
}
