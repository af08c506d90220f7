//! An application: its components, compiled and ready, and the routes to them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi_http::handler::{ExpirationError, InstantiationError, ProxyHandler, TrapOrPanicError};

use crate::Body;
use crate::cache::{Cache, CacheKey};
use crate::compose::{self, ComposeError, DependencySource};
use crate::engine::{Limits, Ticker, new_engine, start_ticker};
use crate::handler::{ComponentState, Handler};
use crate::instance::{Grants, InstanceState};
use crate::manifest::{self, Manifest};
use crate::outbound::{HostPattern, InProcess};
use crate::route::{Match, Pattern, Routes};
use crate::storage::Storage;
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

/// Why a request has no answer from its component.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No route matches the path.
    #[error("no route matches {0}")]
    NoRoute(String),
    /// The component answers as many requests as it may.
    #[error("component '{0}' is answering as many requests as it may")]
    Full(String),
    /// The component did not answer in time.
    #[error("component '{0}' did not answer in time")]
    TimedOut(String),
    /// The component trapped, or could not be started.
    #[error("component '{component}' failed: {message}")]
    Failed {
        /// The component.
        component: String,
        /// What happened.
        message: String,
    },
}

/// What an application is loaded with.
pub struct AppBuilder {
    manifest: Manifest,
    limits: Limits,
    storage: Arc<dyn Storage>,
    in_process: Option<Arc<dyn InProcess>>,
    settings: BTreeMap<String, String>,
    on_compile: CompileObserver,
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

struct LoadedComponent {
    id: String,
    handler: Handler,
    permits: Arc<Semaphore>,
}

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
        Ok(Self { engine, cache, linker, ticker })
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
        }
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
        let Runtime { engine, cache, linker, ticker } = runtime;
        let values = variables::application_values(&self.manifest, &self.settings)?;

        let mut loaded: BTreeMap<String, Arc<LoadedComponent>> = BTreeMap::new();
        let mut routes = Vec::new();
        let all: BTreeSet<&String> = self.manifest.triggers.iter().map(|t| t.component.get_ref()).collect();
        for trigger in &self.manifest.triggers {
            let id = trigger.component.get_ref();
            if !loaded.contains_key(id) {
                let place = (loaded.len() + 1, all.len());
                let component = self.load_component(engine, cache, linker, id, place, &values)?;
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
            _ticker: ticker.clone(),
        })
    }

    fn load_component(
        &self,
        engine: &Engine,
        cache: &Cache,
        linker: &Linker<InstanceState>,
        id: &str,
        (number, of): (usize, usize),
        values: &BTreeMap<String, String>,
    ) -> Result<LoadedComponent, AppError> {
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
        self.prepare(engine, linker, id, definition, &component, values).map_err(failed)
    }

    fn prepare(
        &self,
        engine: &Engine,
        linker: &Linker<InstanceState>,
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
        let pre = linker.instantiate_pre(component)?;
        let state = ComponentState::new(engine, pre, grants, self.limits)?;
        Ok(LoadedComponent {
            id: id.to_owned(),
            handler: ProxyHandler::new(state),
            permits: Arc::new(Semaphore::new(self.limits.concurrent_requests_max)),
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

/// Refuses a dependency that imports an ability it may not inherit. Spin refuses at the call; here the node does not
/// start, which shows the mistake earlier.
fn check_inherited(
    component: &str,
    dependency: &str,
    definition: &manifest::Component,
    inherit: &manifest::Inherit,
    bytes: &[u8],
) -> Result<(), AppError> {
    const ABILITIES: &[(&str, &str)] = &[
        ("spin:sqlite/", "sqlite_databases"),
        ("spin:key-value/", "key_value_stores"),
        ("spin:variables/", "variables"),
        ("wasi:http/outgoing-handler", "allowed_outbound_hosts"),
        ("wasi:http/client", "allowed_outbound_hosts"),
        ("wasi:sockets/", "allowed_outbound_hosts"),
    ];
    let imports = compose_imports(component, bytes)?;
    for import in imports {
        let needed = ABILITIES.iter().find(|(prefix, _)| import.starts_with(prefix)).map(|(_, key)| *key);
        let leaks_environment =
            import.starts_with("wasi:cli/environment") && !definition.environment.is_empty();
        let needed = if leaks_environment { Some("environment") } else { needed };
        if let Some(key) = needed
            && !inherit.shares(key)
        {
            return Err(AppError::NotInherited {
                component: component.to_owned(),
                dependency: dependency.to_owned(),
                import,
                key,
            });
        }
    }
    Ok(())
}

fn compose_imports(component: &str, bytes: &[u8]) -> Result<Vec<String>, AppError> {
    component_imports(bytes).map_err(|message| AppError::Compile { component: component.to_owned(), message })
}

/// Names of everything a component imports, read from its bytes.
///
/// # Errors
/// What the parser said where the bytes are not a component.
pub fn component_imports(bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut imports = Vec::new();
    let mut depth = 0_u32;
    for payload in wasmparser::Parser::new(0).parse_all(bytes) {
        match payload.map_err(|e| e.to_string())? {
            wasmparser::Payload::ModuleSection { .. } | wasmparser::Payload::ComponentSection { .. } => {
                depth += 1;
            }
            wasmparser::Payload::End(_) => depth = depth.saturating_sub(1),
            wasmparser::Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(|e| e.to_string())?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(imports)
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
    /// Requests it may still take at once.
    pub permits_free: usize,
    /// Instances that ended by a trap or at a limit.
    pub traps: u64,
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
            permits_free: c.permits.available_permits(),
            traps: c.handler.state().traps(),
        })
    }

    /// Says that the node is leaving: instances that end from now on end with it, and are no failure.
    pub fn leave(&self) {
        for component in &self.components {
            component.handler.state().leave();
        }
    }

    /// Sends a request to the component whose route matches. The URI must be absolute.
    ///
    /// # Errors
    /// When no route matches, or the component is full, too slow or failing.
    pub async fn call(&self, mut request: http::Request<Body>) -> Result<http::Response<Body>, CallError> {
        let (component, matched) = self
            .routes
            .find(request.uri().path())
            .ok_or_else(|| CallError::NoRoute(request.uri().path().to_owned()))?;
        let Ok(_permit) = component.permits.try_acquire() else {
            return Err(CallError::Full(component.id.clone()));
        };
        add_route_headers(request.headers_mut(), &matched);
        component.handler.handle((), request).await.map_err(|e| call_error(&component.id, &e))
    }
}

/// The headers by which Spin tells a component what matched.
fn add_route_headers(headers: &mut http::HeaderMap, matched: &Match) {
    use http::header::{HeaderName, HeaderValue};
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(HeaderName::from_static("spin-path-info"), &matched.trailing);
    set(HeaderName::from_static("spin-matched-route"), &matched.pattern);
    for (name, value) in &matched.parameters {
        if let Ok(header) = HeaderName::try_from(format!("spin-path-match-{name}")) {
            set(header, value);
        }
    }
}

fn call_error(component: &str, error: &wasmtime::Error) -> CallError {
    let component = component.to_owned();
    if error.is::<ExpirationError>() {
        return CallError::TimedOut(component);
    }
    let message = if error.is::<TrapOrPanicError>() {
        "it trapped or reached a limit".to_owned()
    } else if let Some(e) = error.downcast_ref::<InstantiationError<()>>() {
        format!("no instance could be made: {}", e.error)
    } else {
        format!("{error:#}")
    };
    CallError::Failed { component, message }
}
