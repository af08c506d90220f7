//! Which regions there are, which edges, and which edge is near.

use geohash::Coord;

/// Mean radius of the Earth in metres (IUGG).
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// An edge node as others know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Its name.
    pub name: String,
    /// Where clients reach it.
    pub url: String,
    /// Where other edges reach it: host and port.
    pub peer: String,
    /// Degrees north and east.
    pub place: (f64, f64),
}

/// A region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// Its number, 1 to 4095, which its ids carry.
    pub number: u16,
    /// The geohashes that it covers.
    pub areas: Vec<String>,
    /// The edges that may own it, the preferred first.
    pub edges: Vec<String>,
}

/// All regions and edges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Atlas {
    /// The edges.
    pub edges: Vec<Edge>,
    /// The regions.
    pub regions: Vec<Region>,
}

impl Atlas {
    /// The region of a name.
    #[must_use]
    pub fn region(&self, name: &str) -> Option<&Region> {
        self.regions.iter().find(|region| region.name == name)
    }

    /// The region whose number an id carries: the 12 bits after the version of a UUIDv7.
    #[must_use]
    pub fn region_of_id(&self, id: &str) -> Option<&Region> {
        let group = id.get(14..18).filter(|group| id.len() == 36 && group.starts_with('7'))?;
        let number = u16::from_str_radix(&group[1..], 16).ok()?;
        self.regions.iter().find(|region| region.number == number)
    }

    /// The region of a place: the one with the longest geohash that covers it.
    #[must_use]
    pub fn region_at(&self, lat: f64, lon: f64) -> Option<&Region> {
        let cell = geohash::encode(Coord { x: lon, y: lat }, 8).ok()?;
        let areas =
            self.regions.iter().flat_map(|region| region.areas.iter().map(move |area| (area, region)));
        areas
            .filter(|(area, _)| cell.starts_with(area.as_str()))
            .max_by_key(|(area, _)| area.len())
            .map(|(_, region)| region)
    }

    /// The edge of a name.
    #[must_use]
    pub fn edge(&self, name: &str) -> Option<&Edge> {
        self.edges.iter().find(|edge| edge.name == name)
    }

    /// The regions as the components' variable has them: `name=number:geohash,geohash;name=…`.
    #[must_use]
    pub fn as_variable(&self) -> String {
        let region =
            |region: &Region| format!("{}={}:{}", region.name, region.number, region.areas.join(","));
        self.regions.iter().map(region).collect::<Vec<_>>().join(";")
    }

    /// What is wrong with it, where something is.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let named = |name: &str| !name.is_empty() && name.len() <= 60 && name.bytes().all(plain);
        for (index, edge) in self.edges.iter().enumerate() {
            let port = edge.peer.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            let (lat, lon) = edge.place;
            let fault = if !named(&edge.name) {
                "a name is 1 to 60 of a-z, 0-9 and '-'"
            } else if self.edges[..index].iter().any(|other| other.name == edge.name) {
                "the name stands twice"
            } else if port.is_none() {
                "'peer' must be a host and a port"
            } else if !edge.url.starts_with("http://") && !edge.url.starts_with("https://") {
                "'url' must begin with http:// or https://"
            } else if !(-90.0..=90.0).contains(&lat) || !(-180.0..=180.0).contains(&lon) {
                "'lat' and 'lon' must be a place on Earth"
            } else {
                continue;
            };
            return Some(format!("edge '{}': {fault}", edge.name));
        }
        for (index, region) in self.regions.iter().enumerate() {
            let area = |area: &String| !area.is_empty() && geohash::decode(area).is_ok();
            let fault = if !named(&region.name) {
                "a name is 1 to 60 of a-z, 0-9 and '-'".to_owned()
            } else if !(1..=4095).contains(&region.number) {
                "'number' must be 1 to 4095".to_owned()
            } else if self.regions[..index].iter().any(|r| r.name == region.name || r.number == region.number)
            {
                "the name or number stands twice".to_owned()
            } else if let Some(bad) = region.areas.iter().find(|a| !area(a)) {
                format!("'{bad}' is not a geohash")
            } else if let Some(edge) = region.edges.iter().find(|edge| self.edge(edge).is_none()) {
                format!("there is no edge '{edge}'")
            } else if region.edges.is_empty() || region.areas.is_empty() {
                "it needs an edge and an area at least".to_owned()
            } else {
                continue;
            };
            return Some(format!("region '{}': {fault}", region.name));
        }
        None
    }
}

/// Metres between two places along the great circle (haversine).
#[must_use]
pub fn distance_m(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (from, to) = (a.0.to_radians(), b.0.to_radians());
    let half_lat = ((to - from) / 2.0).sin();
    let half_lon = ((b.1 - a.1).to_radians() / 2.0).sin();
    let h = half_lat * half_lat + from.cos() * to.cos() * half_lon * half_lon;
    2.0 * EARTH_RADIUS_M * h.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::{Atlas, Edge, Region, distance_m};

    fn atlas() -> Atlas {
        let edge = |name: &str, place| Edge {
            name: name.to_owned(),
            url: "http://127.0.0.1:1".to_owned(),
            peer: "127.0.0.1:2".to_owned(),
            place,
        };
        let region = |name: &str, number, areas: &[&str]| Region {
            name: name.to_owned(),
            number,
            areas: areas.iter().map(|&a| a.to_owned()).collect(),
            edges: vec!["a".to_owned()],
        };
        Atlas {
            edges: vec![edge("a", (-23.55, -46.63)), edge("b", (38.72, -9.14))],
            regions: vec![
                region("city", 1, &["6gyf4"]),
                region("state", 2, &["6g"]),
                region("far", 9, &["eyc"]),
            ],
        }
    }

    #[test]
    fn the_longest_area_wins() {
        let atlas = atlas();
        let at = |lat, lon| atlas.region_at(lat, lon).map(|region| region.name.as_str());
        assert_eq!(at(-23.5431, -46.6425), Some("city"));
        assert_eq!(at(-23.2, -45.9), Some("state"));
        assert_eq!(at(38.72, -9.14), Some("far"));
        assert_eq!(at(0.0, 0.0), None);
        assert_eq!(at(f64::NAN, 0.0), None);
        assert_eq!(atlas.as_variable(), "city=1:6gyf4;state=2:6g;far=9:eyc");
    }

    #[test]
    fn an_id_names_its_region() {
        let atlas = atlas();
        let of = |id: &str| atlas.region_of_id(id).map(|region| region.number);
        assert_eq!(of("01a20d99-f654-7002-862a-5b35b8c54133"), Some(2));
        for none in ["01a20d99-f654-7d43-862a-5b35b8c54133", "01a20d99-f654-4002-862a-5b35b8c54133", "x", ""]
        {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        type Bend = fn(&mut Atlas);
        assert_eq!(atlas().fault(), None);
        let faults: [(&str, Bend); 6] = [
            ("edge 'b': the name stands twice", |a| a.edges[0].name = "b".into()),
            ("edge 'a': 'peer' must be a host and a port", |a| a.edges[0].peer = "x".into()),
            ("region 'state': the name or number stands twice", |a| a.regions[1].number = 1),
            ("region 'far': 'number' must be 1 to 4095", |a| a.regions[2].number = 5000),
            ("region 'city': 'aei' is not a geohash", |a| a.regions[0].areas = vec!["aei".into()]),
            ("region 'city': there is no edge 'z'", |a| a.regions[0].edges = vec!["z".into()]),
        ];
        for (expected, bend) in faults {
            let mut bent = atlas();
            bend(&mut bent);
            assert_eq!(bent.fault().as_deref(), Some(expected));
        }
    }

    #[test]
    fn sao_paulo_is_far_from_lisbon() {
        let metres = distance_m((-23.55, -46.63), (38.72, -9.14));
        assert!((7_900_000.0..8_000_000.0).contains(&metres), "{metres}");
    }
}
