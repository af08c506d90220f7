//! `[throttle]`.

use std::time::Duration;

use edge_delivery::throttle::{
    Class as ClassOptions, Proxies, Rate as RateOptions, ThrottleOptions, TurnOptions,
};
use serde::Deserialize;

use super::{patterns, within};

/// `[throttle]`: how much one address and one account may ask, by class of request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThrottleSection {
    /// How many times the rates of every class are meant, 1 to 1000000: more than 1 for a test of load.
    pub factor: u32,
    /// Buckets that are remembered, 512 to 2097152, 16 bytes each and a quarter more for whose credential it was. Where all
    /// are in use, the one that is nearest to being full is forgotten.
    pub buckets_max: usize,
    /// Requests of one address (of IPv6, one /64) that components answer at once, 1 to 10000.
    pub at_once_per_address: usize,
    /// Requests of one address that wait for that, 0 to 100000; as long as for a turn.
    pub waiting_per_address_max: usize,
    /// Requests that take turns answered at once, 0 to 10000; 0 for half of the processors.
    pub turns_at_once: usize,
    /// Requests that wait for their turn, 0 to 100000.
    pub turns_waiting_max: usize,
    /// How long one waits for its turn, milliseconds, 0 to 60000.
    pub turn_wait_ms: u64,
    /// The classes. The first that takes a request decides; one that none takes is not limited.
    pub classes: Vec<ThrottleClass>,
}

/// One class of requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThrottleClass {
    /// What it is called, as clients are told: 1 to 40 of a-z, 0-9 and '-'.
    pub name: String,
    /// Its methods; every method where it is left out.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Its paths, written as routes of `spin.toml`.
    pub routes: Vec<String>,
    /// Whether only requests for a WebSocket are meant.
    #[serde(default)]
    pub upgrade: bool,
    /// How many one address may send (of IPv6, one /64); no limit where it is left out.
    #[serde(default)]
    pub address: Option<Rate>,
    /// How many one account may send; no limit where it is left out.
    #[serde(default)]
    pub account: Option<Rate>,
    /// Whether its requests compute for long, and so take turns.
    #[serde(default)]
    pub turns: bool,
}

/// How many at once, and how many in the long run.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// At once, 1 to 1000000.
    pub burst: u32,
    /// In the long run, 1 to 1000000 a minute.
    pub per_minute: u32,
}

impl Default for ThrottleSection {
    fn default() -> Self {
        let rate = |(burst, per_minute)| Rate { burst, per_minute };
        let class =
            |name: &str, methods: &[&str], routes: &[&str], address, account: Option<_>| ThrottleClass {
                name: name.to_owned(),
                methods: methods.iter().map(|&method| method.to_owned()).collect(),
                routes: routes.iter().map(|&route| route.to_owned()).collect(),
                upgrade: name == "socket",
                address: Some(rate(address)),
                account: account.map(rate),
                turns: name == "log-in" || name == "sign-up",
            };
        let route = "/v1/rides/:id/route";
        let exports = [
            route,
            "/v1/rides/:id/route.gpx",
            "/v1/rides/:id/route.geojson",
            "/v1/rides/:id/route.polylines",
        ];
        let passwords = ["/v1/sessions", "/v1/me/password", "/v1/me/erasure"];
        let sockets = ["/v1/rides/:id/track", "/v1/rides/:id/live", "/graphql"];
        let unsafe_methods = ["POST", "PUT", "PATCH", "DELETE"];
        Self {
            factor: 1,
            buckets_max: 262_144,
            at_once_per_address: 8,
            waiting_per_address_max: 512,
            turns_at_once: 0,
            turns_waiting_max: 64,
            turn_wait_ms: 5_000,
            classes: vec![
                class("log-in", &["POST", "PUT"], &passwords, (100, 60), None),
                class("sign-up", &["POST"], &["/v1/accounts"], (100, 60), None),
                class("refresh", &["POST"], &["/v1/sessions/refresh"], (300, 600), None),
                class("pin", &["POST"], &["/v1/rides/:id/start"], (120, 120), Some((10, 10))),
                class("quote", &["POST"], &["/v1/quotes"], (240, 600), Some((60, 60))),
                class("export", &["GET"], &exports, (120, 240), Some((20, 20))),
                class("upload", &["PUT"], &["/v1/rides/:id/marks/:mark/photo"], (120, 240), Some((30, 30))),
                class("socket", &["GET"], &sockets, (600, 1_200), Some((60, 60))),
                class("graphql", &[], &["/graphql"], (600, 3_000), Some((120, 600))),
                class("write", &unsafe_methods, &["/..."], (1_200, 6_000), Some((240, 1_200))),
                class("read", &[], &["/..."], (2_400, 12_000), Some((480, 2_400))),
            ],
        }
    }
}

impl ThrottleSection {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        within("throttle.factor", self.factor.into(), 1, 1_000_000)?;
        within("throttle.buckets_max", self.buckets_max as u64, 512, 1 << 21)?;
        within("throttle.at_once_per_address", self.at_once_per_address as u64, 1, 10_000)?;
        within("throttle.waiting_per_address_max", self.waiting_per_address_max as u64, 0, 100_000)?;
        within("throttle.turns_at_once", self.turns_at_once as u64, 0, 10_000)?;
        within("throttle.turns_waiting_max", self.turns_waiting_max as u64, 0, 100_000)?;
        within("throttle.turn_wait_ms", self.turn_wait_ms, 0, 60_000)?;
        for (index, class) in self.classes.iter().enumerate() {
            let wrong = |message: String| ("throttle.classes", format!("'{}': {message}", class.name));
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if class.name.is_empty() || class.name.len() > 40 || !class.name.bytes().all(plain) {
                return Err(wrong("the name must be 1 to 40 of a-z, 0-9 and '-'".to_owned()));
            }
            if self.classes[..index].iter().any(|other| other.name == class.name) {
                return Err(wrong("the name stands twice".to_owned()));
            }
            patterns(&class.routes).map_err(wrong)?;
            class.methods().map_err(wrong)?;
            for rate in [class.address, class.account].into_iter().flatten() {
                within("throttle.classes.burst", rate.burst.into(), 1, 1_000_000)?;
                within("throttle.classes.per_minute", rate.per_minute.into(), 1, 1_000_000)?;
            }
        }
        Ok(())
    }

    /// As the node takes them, with whose word about addresses is believed, and whose pages read its problems.
    pub(crate) fn options(
        &self,
        proxies: Proxies,
        cors_origin: Option<http::HeaderValue>,
    ) -> ThrottleOptions {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let wait = Duration::from_millis(self.turn_wait_ms);
        let at_once = if self.turns_at_once == 0 { (processors / 2).max(1) } else { self.turns_at_once };
        ThrottleOptions {
            classes: self.classes.iter().map(|class| class.options(self.factor)).collect(),
            buckets_max: self.buckets_max,
            turns: TurnOptions { at_once, waiting_max: self.turns_waiting_max, wait },
            shares: TurnOptions {
                at_once: self.at_once_per_address,
                waiting_max: self.waiting_per_address_max,
                wait,
            },
            proxies,
            cors_origin,
        }
    }
}

impl ThrottleClass {
    fn methods(&self) -> Result<Vec<http::Method>, String> {
        let method = |name: &String| {
            let is_plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase());
            let method = http::Method::from_bytes(name.as_bytes()).ok().filter(|_| is_plain);
            method.ok_or_else(|| format!("'{name}' must be a method such as GET"))
        };
        self.methods.iter().map(method).collect()
    }

    fn options(&self, factor: u32) -> ClassOptions {
        let rate = |rate: Rate| {
            RateOptions::new(rate.burst.saturating_mul(factor), rate.per_minute.saturating_mul(factor))
        };
        ClassOptions {
            name: self.name.clone(),
            // Checked when the file was read, as the routes were.
            methods: self.methods().unwrap_or_default(),
            routes: patterns(&self.routes).unwrap_or_default(),
            upgrade: self.upgrade,
            by_address: self.address.map(rate),
            by_account: self.account.map(rate),
            takes_turns: self.turns,
        }
    }
}
