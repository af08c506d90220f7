//! That a region's owner and its standbys hold the same, byte for byte, at the same event.
//!
//! What is compared is the log, by the digest of its last event, which covers every one before it, and what the events made:
//! every view named `replicated_…`, row by row in order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use edge_data::LocalDatabase;
use libsql::{Connection, Value};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Regions, Shared};

/// How long edges have to come to the same event.
const SAME_EVENT_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_EVERY: Duration = Duration::from_millis(100);

/// What an edge holds of a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holdings {
    /// The last event.
    pub(crate) seq: u64,
    /// Its digest.
    pub(crate) last: String,
    /// SHA-256 of each view's rows.
    pub(crate) views: BTreeMap<String, String>,
}

/// What an edge holds beside what the edge that was asked does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Compared {
    /// The edge.
    pub(crate) edge: String,
    /// Its last event; none where it did not answer.
    pub(crate) seq: Option<u64>,
    /// What differs; empty where all is the same.
    pub(crate) differs: Vec<String>,
    /// Why nothing was compared.
    pub(crate) reason: Option<String>,
}

/// What a comparison came to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verified {
    /// The edge that was asked.
    pub(crate) edge: String,
    /// What it holds.
    pub(crate) holds: Holdings,
    /// The others.
    pub(crate) others: Vec<Compared>,
}

/// Reads what a file holds, in one transaction.
pub(crate) async fn holdings(database: &LocalDatabase) -> Result<Holdings, libsql::Error> {
    let connection = database.connect().await?;
    connection.execute("BEGIN", ()).await?;
    let sql = "SELECT ifnull(max(seq), 0), ifnull(hex((SELECT digest FROM events ORDER BY seq DESC LIMIT 1)), '') FROM events";
    let mut rows = connection.query(sql, ()).await?;
    let (seq, last) = match rows.next().await? {
        Some(row) => (row.get(0)?, row.get(1)?),
        None => (0, String::new()),
    };
    let names =
        "SELECT name FROM sqlite_schema WHERE type = 'view' AND name LIKE 'replicated\\_%' ESCAPE '\\'";
    let mut rows = connection.query(names, ()).await?;
    let mut views = BTreeMap::new();
    while let Some(row) = rows.next().await? {
        let name: String = row.get(0)?;
        let digest = digest_rows(&connection, &name).await?;
        views.insert(name, digest);
    }
    Ok(Holdings { seq, last, views })
}

/// SHA-256 of a view's rows in the order of all its columns, each value with its kind and length before it.
async fn digest_rows(connection: &Connection, view: &str) -> Result<String, libsql::Error> {
    let mut rows = connection.query(&format!("SELECT * FROM {view} ORDER BY 1, 2"), ()).await?;
    let mut hash = Sha256::new();
    while let Some(row) = rows.next().await? {
        for column in 0..row.column_count() {
            let (kind, bytes) = match row.get_value(column)? {
                Value::Null => (0_u8, Vec::new()),
                Value::Integer(value) => (1, value.to_le_bytes().to_vec()),
                Value::Real(value) => (2, value.to_le_bytes().to_vec()),
                Value::Text(value) => (3, value.into_bytes()),
                Value::Blob(value) => (4, value),
            };
            hash.update([kind]);
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(&bytes);
        }
    }
    Ok(hex::encode(hash.finalize()))
}

/// Compares what this edge holds of a region with what the others do.
pub(crate) async fn verify(shared: &Shared, regions: &Regions, region: &str) -> Result<Verified, String> {
    let slot = regions.slots.get(region).ok_or("this edge does not keep that region")?;
    let deadline = Instant::now() + SAME_EVENT_TIMEOUT;
    loop {
        let database = regions.database(region).ok_or("the region's file is being made anew")?;
        let holds = holdings(&database).await.map_err(|e| e.to_string())?;
        let mut others = Vec::new();
        for edge in &slot.others {
            others.push(compare(edge, &holds, shared.holdings_of(edge, region).await));
        }
        let settled = others.iter().all(|other| other.seq.is_none_or(|seq| seq == holds.seq));
        if settled || Instant::now() >= deadline {
            return Ok(Verified { edge: shared.config.node.name.clone(), holds, others });
        }
        tokio::time::sleep(RETRY_EVERY).await;
    }
}

fn compare(edge: &str, ours: &Holdings, theirs: anyhow::Result<Holdings>) -> Compared {
    let edge = edge.to_owned();
    match theirs {
        Err(error) => Compared { edge, seq: None, differs: Vec::new(), reason: Some(format!("{error:#}")) },
        Ok(theirs) if theirs.seq != ours.seq => {
            let reason = format!("it stands at event {}, and this one at {}", theirs.seq, ours.seq);
            Compared { edge, seq: Some(theirs.seq), differs: Vec::new(), reason: Some(reason) }
        }
        Ok(theirs) => {
            let mut differs: Vec<String> = ours
                .views
                .iter()
                .filter(|(name, own)| theirs.views.get(*name) != Some(own))
                .map(|(n, _)| n.clone())
                .collect();
            if theirs.last != ours.last {
                differs.insert(0, "events".to_owned());
            }
            Compared { edge, seq: Some(theirs.seq), differs, reason: None }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Holdings, compare};
    use std::collections::BTreeMap;

    fn holdings(seq: u64, last: &str, rides: &str) -> Holdings {
        let views = BTreeMap::from([("replicated_rides".to_owned(), rides.to_owned())]);
        Holdings { seq, last: last.to_owned(), views }
    }

    #[test]
    fn what_differs_is_named() {
        let ours = holdings(3, "aa", "11");
        let differs = |theirs| {
            let compared = compare("b", &ours, Ok(theirs));
            (compared.differs, compared.reason.is_some())
        };
        assert_eq!(differs(holdings(3, "aa", "11")), (vec![], false));
        assert_eq!(differs(holdings(3, "bb", "11")), (vec!["events".to_owned()], false));
        assert_eq!(differs(holdings(3, "aa", "12")), (vec!["replicated_rides".to_owned()], false));
        assert_eq!(differs(holdings(2, "xx", "12")), (vec![], true));
        assert!(compare("b", &ours, Err(anyhow::anyhow!("away"))).reason.is_some());
    }
}
