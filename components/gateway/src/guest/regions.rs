//! Which region answers for what, where a node has several: told by the variable `regions`.
//!
//! What belongs to another region is not looked for here. The answer is 421 with the region's name, and the node, which
//! knows who owns it, sends the request there; nothing was changed. Without the variable there is one region only.

use std::sync::OnceLock;

use super::bindings::petwalker::identity::profiles::Position;
use super::bindings::petwalker::matching::rides;
use super::ops::Outcome;
use super::problem::Problem;

/// `name=number:geohash,geohash;name=…`.
const VARIABLE: &str = "regions";

/// Characters of the geohash that a place is looked up by.
const CELL_CHARACTERS: usize = 8;

struct Region {
    name: String,
    number: u16,
    areas: Vec<String>,
}

/// What the variable says. It is the same for as long as an instance lives.
static REGIONS: OnceLock<Vec<Region>> = OnceLock::new();

/// Reads the variable, once an instance.
pub async fn prepare() {
    if REGIONS.get().is_none() {
        let text = spin_sdk::variables::get(VARIABLE).await.unwrap_or_default();
        // Whoever was first has read the same.
        drop(REGIONS.set(text.split(';').filter_map(parse).collect()));
    }
}

fn parse(text: &str) -> Option<Region> {
    let (name, rest) = text.split_once('=')?;
    let (number, areas) = rest.split_once(':')?;
    let areas = areas.split(',').map(str::to_owned).collect();
    Some(Region { name: name.trim().to_owned(), number: number.parse().ok()?, areas })
}

fn all() -> &'static [Region] {
    REGIONS.get().map_or(&[], Vec::as_slice)
}

/// That a ride or quote is of this region, as far as its id says.
pub fn owns(id: &str) -> Outcome<()> {
    let number = number_in(id);
    match all().iter().find(|region| Some(region.number) == number) {
        Some(region) => only_here(region),
        None => Ok(()),
    }
}

/// The 12 bits of a UUIDv7 that hold its region's number: the three digits after the version.
fn number_in(id: &str) -> Option<u16> {
    id.get(14..18).filter(|group| group.starts_with('7')).and_then(|g| u16::from_str_radix(&g[1..], 16).ok())
}

/// That a place is in this region.
pub fn covers(place: Position, field: &str) -> Outcome<()> {
    if all().is_empty() {
        return Ok(());
    }
    let point = petwalker_kernel::GeoPoint::new(place.lat, place.lon)
        .map_err(|e| Problem::new("invalid", e.to_string()).at(field))?;
    let cell = point.cell(CELL_CHARACTERS);
    let areas = all().iter().flat_map(|region| region.areas.iter().map(move |area| (area, region)));
    let found = areas.filter(|(area, _)| cell.as_str().starts_with(area.as_str()));
    match found.max_by_key(|(area, _)| area.len()) {
        Some((_, region)) => only_here(region),
        None => Err(Problem::new("no-region", "no region of this service covers this place").at(field)),
    }
}

fn only_here(region: &Region) -> Outcome<()> {
    if rides::region()? == region.name { Ok(()) } else { Err(Problem::misdirected(&region.name)) }
}
