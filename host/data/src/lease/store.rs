//! The lease's row.

use libsql::{Connection, Row};

use super::{Answer, Ask, Claimant, Lease};

/// Why the row was not read or written. Whether it was written is not known.
#[derive(Debug, thiserror::Error)]
#[error("the lease of region '{region}' cannot be asked for: {source}")]
pub struct LeaseError {
    /// The region.
    pub region: String,
    /// What libSQL said.
    #[source]
    pub source: libsql::Error,
}

const COLUMNS: &str = "holder, epoch, renewal, released, heir, topic";

/// The row of one region in the primary.
pub struct LeaseStore {
    connection: Connection,
    region: String,
    me: Claimant,
}

impl LeaseStore {
    /// The lease of `region`, asked for by `me`.
    #[must_use]
    pub const fn new(connection: Connection, region: String, me: Claimant) -> Self {
        Self { connection, region, me }
    }

    /// Asks.
    ///
    /// # Errors
    /// When no answer comes: it may have been done or not.
    pub async fn ask(&self, ask: &Ask) -> Result<Answer, LeaseError> {
        self.run(ask).await.map_err(|source| LeaseError { region: self.region.clone(), source })
    }

    async fn run(&self, ask: &Ask) -> Result<Answer, libsql::Error> {
        let (region, me, topic) = (self.region.as_str(), self.me.name.as_str(), self.me.topic.as_str());
        match ask {
            Ask::Look => self.look().await.map(Answer::Found),
            Ask::Take { seen: None } => {
                let sql = "INSERT INTO leases (region, holder, epoch, renewal, released, heir, topic) \
                           VALUES (?1, ?2, 1, 1, 0, '', ?3) ON CONFLICT (region) DO NOTHING RETURNING epoch";
                self.write(sql, libsql::params![region, me, topic]).await
            }
            Ask::Take { seen: Some(seen) } => {
                let sql = "UPDATE leases SET holder = ?2, epoch = epoch + 1, renewal = renewal + 1, released = 0, heir = '', \
                           topic = ?5 WHERE region = ?1 AND epoch = ?3 AND renewal = ?4 RETURNING epoch";
                self.write(sql, libsql::params![region, me, seen.epoch, seen.renewal, topic]).await
            }
            Ask::Renew { epoch } => {
                let sql = "UPDATE leases SET renewal = renewal + 1 \
                           WHERE region = ?1 AND holder = ?2 AND epoch = ?3 AND released = 0 RETURNING epoch";
                self.write(sql, libsql::params![region, me, *epoch]).await
            }
            Ask::Release { epoch, heir } => {
                let sql = "UPDATE leases SET renewal = renewal + 1, released = 1, heir = ?4 \
                           WHERE region = ?1 AND holder = ?2 AND epoch = ?3 AND released = 0 RETURNING epoch";
                self.write(sql, libsql::params![region, me, *epoch, heir.as_str()]).await
            }
        }
    }

    async fn look(&self) -> Result<Option<Lease>, libsql::Error> {
        let sql = format!("SELECT {COLUMNS} FROM leases WHERE region = ?1");
        let mut rows = self.connection.query(&sql, [self.region.as_str()]).await?;
        rows.next().await?.map(|row| read(&row)).transpose()
    }

    async fn write(
        &self,
        sql: &str,
        parameters: impl libsql::params::IntoParams,
    ) -> Result<Answer, libsql::Error> {
        let mut rows = self.connection.query(sql, parameters).await?;
        let epoch = rows.next().await?.map(|row| row.get::<u64>(0)).transpose()?;
        Ok(epoch.map_or(Answer::Refused, Answer::Written))
    }
}

fn read(row: &Row) -> Result<Lease, libsql::Error> {
    Ok(Lease {
        holder: row.get(0)?,
        epoch: row.get(1)?,
        renewal: row.get(2)?,
        released: row.get::<i64>(3)? != 0,
        heir: row.get(4)?,
        topic: row.get(5)?,
    })
}
