//! The demonstration: a ride from sign-up to invoice, with every figure checked.

mod client;
mod events;
mod people;
mod socket;
mod trace;
mod walk;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use self::client::{Client, Person, number, text};
use crate::cluster::Cluster;
use crate::config::Config;
use crate::output::line;
use crate::{Node, components};

/// The middle of the city: Praça da República, São Paulo.
const CITY: (f64, f64) = (-23.5431, -46.6425);
/// What a settled walk's events are, in order.
const STORY: [&str; 8] = [
    "ride.requested",
    "ride.offered",
    "ride.accepted",
    "ride.arrived",
    "ride.started",
    "ride.paused",
    "ride.resumed",
    "ride.completed",
];

/// The region of that place, where there are several.
const REGION: &str = "sao-paulo-centro";

/// A service that runs already.
pub struct Target {
    /// Its address.
    pub url: String,
    /// The code by which operators sign up there, where it is known: walkers are approved by one.
    pub operator_code: Option<String>,
}

/// What the demonstration talks to.
struct Stage {
    url: String,
    /// The code by which operators sign up; none where it is not ours to know.
    operator_code: Option<String>,
    own: Own,
}

/// What was started for the demonstration, in a folder that goes with it.
enum Own {
    Nothing,
    Node { node: Box<Node>, folder: tempfile::TempDir },
    Cluster { cluster: Mutex<Cluster>, owner: String },
}

fn say(step: &str, what: impl std::fmt::Display) {
    line(format_args!("{step:<12} {what}"));
}

/// Lets a node of the demonstration's own count points that were recorded before their walk began: the recordings, of up to two
/// hours, are sent within seconds.
pub fn replay(config: &mut Config) {
    config.variables.insert("track_skew_s".to_owned(), "14400".to_owned());
}

/// Runs it against a service that runs, or a node of its own.
///
/// # Errors
/// When a step fails or a figure is off.
pub async fn run(target: Option<Target>, walkers: u32) -> anyhow::Result<()> {
    ensure!((1..=5_000).contains(&walkers), "--walkers must be 1 to 5000");
    let stage = Stage::open(target).await?;
    let outcome = play(&stage, walkers).await;
    if let Own::Node { node, folder } = stage.own {
        node.stop().await;
        drop(folder);
    }
    outcome
}

/// Runs it through a cluster, whose edge that owns the ride is killed during the walk. Gives back what is left of it.
///
/// # Errors
/// When a step fails or a figure is off.
pub async fn run_through(cluster: Cluster, walkers: u32) -> (Option<Cluster>, anyhow::Result<()>) {
    match Stage::at(cluster).await {
        Ok(stage) => {
            let outcome = play(&stage, walkers).await;
            match stage.own {
                Own::Cluster { cluster, .. } => (cluster.into_inner().ok(), outcome),
                Own::Nothing | Own::Node { .. } => (None, outcome),
            }
        }
        Err(error) => (None, Err(error)),
    }
}

impl Stage {
    async fn open(target: Option<Target>) -> anyhow::Result<Self> {
        if let Some(Target { url, operator_code }) = target {
            say("node", &url);
            return Ok(Self { url, operator_code, own: Own::Nothing });
        }
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let mut config = Config::default().with_generous_limits();
        components::build_missing(&edge_runtime::Manifest::load(&config.node.manifest)?)?;
        config.node.data = folder.path().to_owned();
        config.listen.public = SocketAddr::from(([127, 0, 0, 1], 0));
        config.listen.admin = config.listen.public;
        config.internal.tick_interval_ms = 200;
        replay(&mut config);
        let node = Node::start(&config).await?;
        let url = format!("http://{}", node.public_address());
        say("node", format!("{url}, its data in {}", folder.path().display()));
        let operator_code = Some(crate::secrets::kept(folder.path(), "operator_code")?);
        Ok(Self { url, operator_code, own: Own::Node { node: Box::new(node), folder } })
    }

    /// Goes to an edge that does not own the ride's region.
    async fn at(cluster: Cluster) -> anyhow::Result<Self> {
        let owner = cluster.owner(REGION).await?.context("nobody owns the region")?;
        let names: Vec<&str> = cluster.edges().map(|(name, ..)| name).collect();
        say("edges", names.join(", "));
        let entry = cluster.edges().find(|(name, ..)| *name != owner).context("a cluster of one edge")?;
        say("region", format!("{REGION} is owned by {owner}; everybody talks to {}", entry.0));
        let (url, operator_code) = (entry.1.to_owned(), Some(cluster.operator_code().to_owned()));
        Ok(Self { url, operator_code, own: Own::Cluster { cluster: Mutex::new(cluster), owner } })
    }

    /// What befalls the first walk.
    fn mishap(&self) {
        if let Own::Cluster { cluster, owner } = &self.own {
            cluster.lock().unwrap_or_else(PoisonError::into_inner).kill(owner);
            say(
                "killed",
                format!(
                    "{owner}, in the middle of the walk; the phone sends again what the next owner lacks"
                ),
            );
        }
    }

    const fn has_mishap(&self) -> bool {
        matches!(self.own, Own::Cluster { .. })
    }

    /// The file that holds the region's log now.
    async fn region_file(&self) -> anyhow::Result<Option<PathBuf>> {
        match &self.own {
            Own::Nothing => Ok(None),
            Own::Node { folder, .. } => Ok(Some(folder.path().join("region.db"))),
            Own::Cluster { cluster, owner: before } => {
                let (admins, folder) = {
                    let cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
                    let admins: Vec<_> =
                        cluster.edges().map(|(name, _, admin)| (name.to_owned(), admin.to_owned())).collect();
                    (admins, cluster.folder().to_owned())
                };
                let owner = crate::cluster::owner_among(&admins, REGION).await?;
                let owner = owner.context("nobody owns the region any more")?;
                ensure!(owner != *before, "{before} was killed and owns the region");
                say("taken over", format!("{owner} answers for {REGION} now"));
                Ok(Some(crate::cluster::region_file(&folder, &owner, REGION)))
            }
        }
    }
}

async fn play(stage: &Stage, walkers: u32) -> anyhow::Result<()> {
    let client = Client::new(&stage.url)?;
    let tutor = client.join("tutor", "Ana", None).await?;
    tutor.put("/v1/me/payment-method", &json!({ "token": "test_late" })).await?;
    say("tutor", "Ana signed up; she pays with a card that confirms late");
    let pet = people::add_pet(&tutor).await?;
    let operator = match &stage.operator_code {
        Some(code) => Some(client.join("operator", "Olga", Some(code)).await?),
        None => None,
    };
    let city = people::fill_city(&client, operator.as_ref(), walkers).await?;

    let (quote, ride) = request(&tutor, &pet, Some("BEMVINDO")).await?;
    let ride_id = text(&ride, "id")?;
    let walker = accept(&city, &ride_id).await?;
    let mishap = || stage.mishap();
    let mishap: Option<walk::Mishap<'_>> = if stage.has_mishap() { Some(&mishap) } else { None };
    // Another's node counts what was walked since the walk began, give or take two minutes.
    let (first, second) = match stage.own {
        Own::Nothing => (&walk::PARK_END, &walk::PARK_END),
        Own::Node { .. } | Own::Cluster { .. } => (&walk::LAKE, &walk::PARK),
    };
    let distance_m = walk::take(&tutor, walker, &ride_id, CITY, first, mishap).await?;
    let invoice = invoice(&tutor, walker, &ride_id, &quote).await?;
    told(&tutor, &ride_id).await?;
    rate(&tutor, &ride_id).await?;
    advise(&tutor, &pet).await?;
    if let Some(operator) = &operator {
        check_ledger(operator).await?;
    }
    if let Some(file) = stage.region_file().await? {
        let (types, all) = events::check(&file, &ride_id).await?;
        ensure!(types == STORY, "the ride's events are {types:?}");
        say("events", format!("{all} in the log without a gap or a fork; the ride's 8 in their order"));
    }
    people::appear_again(&city).await?;
    let (_, ride) = request(&tutor, &pet, None).await?;
    let ride = text(&ride, "id")?;
    walk::take(&tutor, accept(&city, &ride).await?, &ride, CITY, second, None).await?;
    print_invoice(&invoice)?;
    line(format_args!("\nAll figures hold: {distance_m:.0} m walked, paid, tipped, rated."));
    Ok(())
}

async fn request(tutor: &Person, pet: &str, coupon: Option<&str>) -> anyhow::Result<(Value, Value)> {
    let wanted = json!({
        "pickup": { "lat": CITY.0, "lon": CITY.1 }, "duration_min": 60, "pet_ids": [pet], "coupon": coupon,
    });
    let quote = tutor.post("/v1/quotes", &wanted).await?;
    let lines: i64 =
        quote["lines"].as_array().into_iter().flatten().filter_map(|l| l["amount"]["minor"].as_i64()).sum();
    ensure!(lines == number(&quote["total"], "minor")?, "the quote's lines do not add up: {quote}");
    say(
        "quote",
        format!(
            "an hour for {} in {} lines",
            money(&quote["total"])?,
            quote["lines"].as_array().map_or(0, Vec::len)
        ),
    );
    let order = json!({ "quote_id": quote["id"], "pet_ids": [pet], "notes": "Rex pulls at first" });
    let ride = tutor.post("/v1/rides", &order).await?;
    ensure!(ride["state"] == "offered", "the ride is {}: no walker was near", ride["state"]);
    say("ride", format!("{} requested and offered", text(&ride, "id")?));
    let (status, again) = tutor.call(reqwest::Method::POST, "/v1/rides", Some(&order)).await?;
    ensure!(status == 409 && again["code"] == "quote-used", "a quote was used twice: {status} {again}");
    Ok((quote, ride))
}

/// Every walker with an offer tries at once: one gets the ride.
async fn accept<'a>(city: &'a [Person], ride: &str) -> anyhow::Result<&'a Person> {
    let mut offered = Vec::new();
    for person in city {
        let offers = person.get("/v1/walkers/me/offers").await?;
        if offers["offers"].as_array().is_some_and(|o| o.iter().any(|o| o["ride_id"] == ride)) {
            offered.push(person);
        }
    }
    let path = format!("/v1/rides/{ride}/accept");
    let mut tries = tokio::task::JoinSet::new();
    for (index, person) in offered.iter().enumerate() {
        let (person, path) = ((*person).clone(), path.clone());
        tries.spawn(async move { (index, person.call(reqwest::Method::POST, &path, None).await) });
    }
    let (mut won, mut lost) = (Vec::new(), 0);
    while let Some(joined) = tries.join_next().await {
        let (index, answer) = joined?;
        let (status, body) = answer?;
        match status {
            200 => won.push(index),
            409 => lost += 1,
            _ => anyhow::bail!("accepting answered {status}: {body}"),
        }
    }
    ensure!(won.len() == 1, "{} walkers got the ride", won.len());
    say(
        "accept",
        format!(
            "{} walkers had the offer and took it at once: 1 got the ride, {lost} were told",
            offered.len()
        ),
    );
    Ok(offered[won[0]])
}

/// Waits for the invoice, for its payment, and for the tip's.
async fn invoice(tutor: &Person, walker: &Person, ride: &str, quote: &Value) -> anyhow::Result<Value> {
    let path = format!("/v1/rides/{ride}/invoice");
    let paid = |invoice: &Value| invoice["payment"] == "captured";
    let first = until(tutor, &path, paid).await.context("the invoice was not paid")?;
    ensure!(first["total"] == quote["total"], "quoted {} and invoiced {}", quote["total"], first["total"]);
    tutor
        .post(&format!("/v1/rides/{ride}/tip"), &json!({ "amount": { "minor": 700, "currency": "BRL" } }))
        .await?;
    let invoice = until(tutor, &path, paid).await.context("the tip was not paid")?;
    let (total, quoted) = (number(&invoice["total"], "minor")?, number(&quote["total"], "minor")?);
    ensure!(total == quoted + 700, "the invoice is {total} and should be {quoted} + 700");
    let (share, fee) =
        (number(&invoice["walker_share"], "minor")?, number(&invoice["platform_fee"], "minor")?);
    ensure!(share + fee == total, "{share} + {fee} is not {total}");
    let balances = walker.get("/v1/me/balances").await?;
    let owed = number(&balances["balances"][0]["amount"], "minor")?;
    ensure!(owed == share, "the walker is owed {owed} and should be {share}");
    say("invoice", format!("{} paid, tip and late confirmation included", money(&invoice["total"])?));
    Ok(invoice)
}

/// Asks until the answer is as wanted, for 15 seconds.
async fn until(person: &Person, path: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(15);
    loop {
        let (status, answer) = person.call(reqwest::Method::GET, path, None).await?;
        if status == 200 && wanted(&answer) {
            return Ok(answer);
        }
        ensure!(tokio::time::Instant::now() < deadline, "{path} still answers {status}: {answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What the tutor is told of a walk, newest first.
const TOLD: [&str; 4] = ["ride-completed", "ride-started", "walker-arrived", "ride-accepted"];

/// That each step was told once, whatever happened to the edges meanwhile.
async fn told(tutor: &Person, ride: &str) -> anyhow::Result<()> {
    let path = "/v1/notifications?locale=en";
    let page = until(tutor, path, |page| page["notifications"][0]["kind"] == TOLD[0]).await?;
    let all = page["notifications"].as_array().into_iter().flatten();
    let of_ride: Vec<&Value> = all.filter(|told| told["ride_id"] == ride).collect();
    let kinds: Vec<&str> = of_ride.iter().filter_map(|told| told["kind"].as_str()).collect();
    ensure!(kinds == TOLD, "the tutor was told {kinds:?}");
    let titles: Vec<&str> = of_ride.iter().rev().filter_map(|told| told["title"].as_str()).collect();
    say("told", titles.join(" · "));
    Ok(())
}

async fn rate(tutor: &Person, ride: &str) -> anyhow::Result<()> {
    let rating = json!({ "stars": 5, "comment": "Rex came home happy" });
    let walker = tutor.post(&format!("/v1/rides/{ride}/rating"), &rating).await?;
    ensure!(number(&walker, "rating_milli")? == 5_000, "the mean of one five-star rating is off: {walker}");
    say(
        "rating",
        format!("{} has {} rating(s), five stars", text(&walker, "display_name")?, walker["ratings"]),
    );
    Ok(())
}

async fn advise(tutor: &Person, pet: &str) -> anyhow::Result<()> {
    let weather = json!({ "weather": { "temperature_c": 36.0, "humidity_pct": 70.0 } });
    let advice = tutor.post(&format!("/v1/pets/{pet}/advice"), &weather).await?;
    let first = &advice["advice"][0];
    ensure!(first["code"] == "heat-danger", "36 °C should be dangerous: {advice}");
    say("advice", text(first, "text")?);
    Ok(())
}

async fn check_ledger(operator: &Person) -> anyhow::Result<()> {
    let check = operator.get("/v1/ledger/check").await?;
    let even = check["sums"].as_array().is_some_and(|sums| sums.iter().all(|s| s["minor"] == 0));
    ensure!(even, "the ledger does not sum to zero: {check}");
    say("ledger", format!("{} transfers, sum zero", check["transfers"]));
    Ok(())
}

fn money(value: &Value) -> anyhow::Result<String> {
    let minor = number(value, "minor")?;
    let sign = if minor < 0 { "-" } else { "" };
    let minor = minor.unsigned_abs();
    Ok(format!("{} {sign}{}.{:02}", text(value, "currency")?, minor / 100, minor % 100))
}

fn print_invoice(invoice: &Value) -> anyhow::Result<()> {
    line(format_args!("\nInvoice {}", text(invoice, "id")?));
    for item in invoice["lines"].as_array().into_iter().flatten() {
        line(format_args!("  {:<28}{:>14}", text(item, "label")?, money(&item["amount"])?));
    }
    line(format_args!("  {:-<42}", ""));
    line(format_args!("  {:<28}{:>14}", "total", money(&invoice["total"])?));
    line(format_args!("  {:<28}{:>14}", "of it the walker's", money(&invoice["walker_share"])?));
    line(format_args!("  {:<28}{:>14}", "of it the platform's", money(&invoice["platform_fee"])?));
    line(format_args!("  {:<28}{:>14}", "payment", text(invoice, "payment")?));
    Ok(())
}
