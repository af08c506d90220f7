//! Which edges a client does best to talk to.

use edge_runtime::{Body, full_body};
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde::Serialize;

use super::Router;
use super::atlas::distance_m;
use crate::problem::problem;

/// An edge, as clients are told: how busy it is and whether it answers shows in the order alone, since anybody may ask.
#[derive(Serialize)]
struct EdgeView<'a> {
    name: &'a str,
    url: &'a str,
    /// Metres from the client.
    distance_m: u64,
    /// Requests under way there when it was last asked, of those it takes at once: 0 to 1; none where it did not answer.
    #[serde(skip)]
    load: Option<f64>,
}

#[derive(Serialize)]
struct EdgesView<'a> {
    /// The region of the place; none where no region covers it.
    region: Option<&'a str>,
    /// The best first.
    edges: Vec<EdgeView<'a>>,
}

/// An edge that is busy counts as if it were this much farther away, at full load.
const LOAD_M: f64 = 1_000_000.0;

impl Router {
    /// `?lat=&lon=`: the region of a place, and the edges for it, the best first: those that answer before those that do not,
    /// near ones before far ones, idle ones before busy ones.
    pub(super) fn edges(&self, request: &Request<Body>) -> Response<Body> {
        let Some((lat, lon)) = request.uri().query().and_then(place) else {
            let detail = "lat must be -90 to 90 and lon -180 to 180, both in degrees";
            return problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail);
        };
        let mut edges: Vec<EdgeView<'_>> = self
            .atlas
            .edges
            .iter()
            .map(|edge| {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "metres on Earth"
                )]
                let distance_m = distance_m((lat, lon), edge.place) as u64;
                EdgeView { name: &edge.name, url: &edge.url, distance_m, load: self.health.get(&edge.name) }
            })
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "metres on Earth")]
        let cost = |edge: &EdgeView<'_>| edge.distance_m as f64 + edge.load.unwrap_or(0.0) * LOAD_M;
        edges.sort_by(|a, b| b.load.is_some().cmp(&a.load.is_some()).then(cost(a).total_cmp(&cost(b))));
        let region = self.atlas.region_at(lat, lon).map(|region| region.name.as_str());
        let body = serde_json::to_vec(&EdgesView { region, edges }).unwrap_or_default();
        let mut response = Response::new(full_body(body));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

fn place(query: &str) -> Option<(f64, f64)> {
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name)?.1.parse::<f64>().ok()
    };
    let (lat, lon) = (value("lat")?, value("lon")?);
    ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)).then_some((lat, lon))
}
