//! `[regions]`, `[peers]`, and the file of regions and edges.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_data::lease::Terms;
use edge_delivery::regions::{Atlas, Edge, Region};
use edge_runtime::route::Pattern;
use serde::Deserialize;

use super::{ConfigError, patterns, within};

/// `[regions]`: a node among others. Without a file, the node is alone and owns `node.region`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegionsSection {
    /// The file of regions and edges, the same for every edge; none for a node that is alone.
    pub file: Option<PathBuf>,
    /// The database whose primary keeps the leases.
    pub database: String,
    /// How long an owner's lease lasts from its last renewal, milliseconds, 500 to 60000.
    pub lease_ttl_ms: u64,
    /// What others wait on top, for clocks that run at different speeds, milliseconds, 50 to 10000.
    pub lease_margin_ms: u64,
    /// What each edge waits more than the one before it in a region's list, milliseconds, 0 to 10000.
    pub patience_ms: u64,
    /// How long a request waits for a region that is changing hands, milliseconds, 0 to 30000.
    pub wait_ms: u64,
    /// The header by which clients name a region, and by which answers do.
    pub header: String,
    /// Paths whose first parameter is an id that carries its region's number.
    pub id_paths: Vec<String>,
    /// Paths of a region that name none: `node.region` answers, unless the header names another.
    pub home_paths: Vec<String>,
    /// Where clients are told the best edges.
    pub edges_path: String,
    /// The variable by which the application learns the regions.
    pub variable: String,
}

impl Default for RegionsSection {
    fn default() -> Self {
        let all = |paths: &[&str]| paths.iter().map(|&path| path.to_owned()).collect();
        Self {
            file: None,
            database: "global".to_owned(),
            lease_ttl_ms: 5_000,
            lease_margin_ms: 250,
            patience_ms: 500,
            wait_ms: 2_000,
            header: "petwalker-region".to_owned(),
            id_paths: all(&["/v1/rides/:id/...", "/v1/quotes/:id"]),
            home_paths: all(&["/v1/rides", "/v1/walkers/me/offers", "/v1/walkers/me/presence"]),
            edges_path: "/v1/edges".to_owned(),
            variable: "regions".to_owned(),
        }
    }
}

impl RegionsSection {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        within("regions.lease_ttl_ms", self.lease_ttl_ms, 500, 60_000)?;
        within("regions.lease_margin_ms", self.lease_margin_ms, 50, 10_000)?;
        within("regions.patience_ms", self.patience_ms, 0, 10_000)?;
        within("regions.wait_ms", self.wait_ms, 0, 30_000)?;
        if self.header.parse::<http::HeaderName>().is_err() {
            return Err(("regions.header", format!("'{}' cannot be a header's name", self.header)));
        }
        patterns(&self.id_paths).map_err(|message| ("regions.id_paths", message))?;
        patterns(&self.home_paths).map_err(|message| ("regions.home_paths", message))?;
        Ok(())
    }

    /// How leases run for the edge at that place in a region's list.
    pub(crate) fn terms(&self, place: usize) -> Terms {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        Terms {
            term: Duration::from_millis(self.lease_ttl_ms),
            margin: Duration::from_millis(self.lease_margin_ms),
            patience: Duration::from_millis(self.patience_ms).saturating_mul(place),
        }
    }

    /// The paths as patterns. They were checked when the file was read.
    pub(crate) fn patterns(&self) -> (Vec<Pattern>, Vec<Pattern>) {
        (patterns(&self.id_paths).unwrap_or_default(), patterns(&self.home_paths).unwrap_or_default())
    }
}

/// `[peers]`: how other edges reach this one. Each edge's certificate is for `<name>.edge.internal`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeersSection {
    /// Where other edges come in.
    pub listen: SocketAddr,
    /// PEM file with this edge's certificate.
    pub certificate: PathBuf,
    /// PEM file with its key.
    pub key: PathBuf,
    /// PEM file with the certificate of who signed every edge's.
    pub authority: PathBuf,
}

/// The file of regions and edges.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AtlasFile {
    edge: Vec<EdgeEntry>,
    region: Vec<RegionEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EdgeEntry {
    name: String,
    url: String,
    peer: String,
    lat: f64,
    lon: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionEntry {
    name: String,
    number: u16,
    areas: Vec<String>,
    edges: Vec<String>,
}

/// Reads the file of regions and edges.
///
/// # Errors
/// When it cannot be read, or something in it is wrong.
pub fn read_atlas(path: &Path) -> Result<Atlas, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let parse = |message: String| ConfigError::Parse { path: path.to_owned(), message };
    let file: AtlasFile = toml::from_str(&text).map_err(|e| parse(e.to_string()))?;
    let edge = |e: EdgeEntry| Edge { name: e.name, url: e.url, peer: e.peer, place: (e.lat, e.lon) };
    let region = |r: RegionEntry| Region { name: r.name, number: r.number, areas: r.areas, edges: r.edges };
    let atlas = Atlas {
        edges: file.edge.into_iter().map(edge).collect(),
        regions: file.region.into_iter().map(region).collect(),
    };
    atlas.fault().map_or(Ok(atlas), |fault| Err(parse(fault)))
}
