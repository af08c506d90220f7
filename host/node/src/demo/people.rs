//! The people of the demonstration.

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::task::JoinSet;

use super::client::{Client, Person, text};
use super::{CITY, say};

/// People signing up at once.
const AT_ONCE: u32 = 4;

/// Adds the tutor's dog; its id.
pub(super) async fn add_pet(tutor: &Person) -> anyhow::Result<String> {
    let rex = json!({
        "name": "Rex", "species": "dog", "weight_g": 14_500, "birth_date": "2021-03-14",
        "conditions": [], "temperament": "friendly, pulls at first",
    });
    let pet = tutor.post("/v1/pets", &rex).await?;
    say("pet", format!("Rex, {} at 14.5 kg", text(&pet, "size")?));
    text(&pet, "id")
}

/// Signs up walkers, has them approved where there is an operator, and puts them in the city, in a spiral that is dense in the
/// middle.
pub(super) async fn fill_city(
    client: &Client,
    operator: Option<&Person>,
    count: u32,
) -> anyhow::Result<Vec<Person>> {
    let style = ProgressStyle::with_template("walkers      {bar:40} {pos}/{len}  {eta}")?;
    let bar = ProgressBar::new(count.into()).with_style(style);
    let (mut joining, mut city) = (JoinSet::new(), Vec::new());
    for number in 0..count {
        if number >= AT_ONCE
            && let Some(joined) = joining.join_next().await
        {
            city.push(joined??);
            bar.inc(1);
        }
        joining.spawn(join(client.clone(), operator.cloned(), number, count));
    }
    while let Some(joined) = joining.join_next().await {
        city.push(joined??);
        bar.inc(1);
    }
    bar.finish_and_clear();
    say("walkers", format!("{count} signed up and present within 4 km"));
    Ok(city)
}

async fn join(client: Client, operator: Option<Person>, number: u32, count: u32) -> anyhow::Result<Person> {
    let person = client.join("walker", &format!("Walker {}", number + 1), None).await?;
    if let Some(operator) = operator {
        operator.approve(&person).await?;
    }
    let (lat, lon) = place(number, count);
    let profile = json!({
        "area_centre": { "lat": lat, "lon": lon }, "area_radius_m": 8_000, "capacity": 3,
        "accepted_sizes": ["small", "medium", "large"], "weekly": [], "time_zone": "America/Sao_Paulo",
    });
    person.put("/v1/walkers/me", &profile).await?;
    let appeared = person.put("/v1/walkers/me/presence", &json!({ "lat": lat, "lon": lon })).await;
    appeared.context(
        "the walker could not appear; where operators approve walkers, name the node's code: --operator-code-file DATA/secrets/operator_code",
    )?;
    Ok(person)
}

/// The walkers' phones tell where they are, as they do every so often: a new owner of the region learns of them by that.
pub(super) async fn appear_again(city: &[Person]) -> anyhow::Result<()> {
    for (number, person) in (0..).zip(city) {
        let (lat, lon) = place(number, u32::try_from(city.len())?);
        person.put("/v1/walkers/me/presence", &json!({ "lat": lat, "lon": lon })).await?;
    }
    Ok(())
}

/// Where the walker of a number is, of so many.
fn place(number: u32, count: u32) -> (f64, f64) {
    // The golden angle spreads points of a spiral evenly.
    let (angle, part) = (f64::from(number) * 2.399_963, f64::from(number) / f64::from(count));
    let metres = 80.0 + 4_000.0 * part * part;
    let lat = CITY.0 + metres * angle.cos() / 111_195.0;
    let lon = CITY.1 + metres * angle.sin() / (111_195.0 * CITY.0.to_radians().cos());
    (lat, lon)
}
