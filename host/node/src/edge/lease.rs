//! Keeping a region's lease, or waiting for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use edge_data::LocalDatabase;
use edge_data::lease::{Answer, Ask, Lease, LeaseStore, Question, Tenant, Terms};
use libsql::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::control::Others;

/// What is known of a region's lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeaseView {
    /// Who holds it, or held it last.
    pub(crate) holder: Option<String>,
    /// The newest epoch known.
    pub(crate) epoch: u64,
    /// Until when it is this node's; none where it is not.
    pub(crate) until: Option<Instant>,
}

/// What a keeper is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Give the lease back, to that holder or, where it is empty, to anybody.
    Leave(String),
    /// Look at once: somebody says that it was given back.
    Look,
    /// Promise the holder of that epoch not to take it for a while; told whether that was promised.
    Promise(u64, oneshot::Sender<bool>),
}

/// The database whose primary keeps the leases.
#[derive(Clone)]
pub(crate) enum LeaseBoard {
    /// A file on this machine.
    Local(LocalDatabase),
    /// A server.
    Remote {
        /// Its URL.
        url: String,
        /// The token that it wants.
        token: String,
    },
}

impl LeaseBoard {
    async fn connect(&self) -> Result<Connection, libsql::Error> {
        match self {
            Self::Local(database) => database.connect().await,
            Self::Remote { url, token } => {
                libsql::Builder::new_remote(url.clone(), token.clone()).build().await?.connect()
            }
        }
    }
}

impl LeaseBoard {
    /// The row of a region, for somebody who will not take it.
    pub(crate) async fn look(
        &self,
        store: &mut Option<LeaseStore>,
        region: &str,
    ) -> Result<Option<Lease>, String> {
        let looking = async {
            if store.is_none() {
                let connection = self.connect().await.map_err(|e| e.to_string())?;
                *store = Some(LeaseStore::new(connection, region.to_owned(), String::new()));
            }
            match store {
                Some(store) => store.ask(&Ask::Look).await.map_err(|e| e.to_string()),
                None => Ok(Answer::Lost),
            }
        };
        match tokio::time::timeout(Duration::from_secs(2), looking).await {
            Ok(Ok(Answer::Found(lease))) => Ok(lease),
            Ok(Ok(_)) => Err("no answer".to_owned()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }
}

/// Keeps the lease of one region.
pub(crate) struct LeaseKeeper {
    pub(crate) board: Arc<LeaseBoard>,
    pub(crate) region: String,
    /// Who this node is: its name, and what tells its data folder from every other.
    pub(crate) me: String,
    pub(crate) terms: Terms,
    /// The other edges that may take it.
    pub(crate) others: Others,
    pub(crate) view: watch::Sender<LeaseView>,
}

impl LeaseKeeper {
    /// Asks and answers until nobody gives orders any more; then gives the lease back. Whoever writes by the lease has stopped
    /// by then.
    pub(crate) async fn run(self, mut orders: mpsc::Receiver<Order>) {
        let base = Instant::now();
        let mut tenant = Tenant::new(self.me.clone(), self.terms, base.elapsed());
        let mut store = None;
        loop {
            if let Some(question) = tenant.ask(base.elapsed()) {
                let answer = self.ask(&mut store, &question).await;
                let lost = matches!((&question.ask, &answer), (Ask::Renew { .. }, Answer::Lost));
                tenant.answered(&question, answer, base.elapsed());
                if lost {
                    self.go_on_by_promises(&mut tenant, base).await;
                }
                self.publish(&tenant, base);
            }
            let next = base + tenant.next_at();
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => {}
                order = orders.recv() => match order {
                    Some(Order::Leave(heir)) => {
                        tenant.leave(&heir, base.elapsed());
                        self.publish(&tenant, base);
                    }
                    Some(Order::Look) => tenant.look(base.elapsed()),
                    Some(Order::Promise(epoch, told)) => drop(told.send(tenant.promise(epoch, base.elapsed()))),
                    None => break,
                },
            }
        }
        if tenant.leave("", base.elapsed())
            && let Some(question) = tenant.ask(base.elapsed())
        {
            let answer = self.ask(&mut store, &question).await;
            tracing::info!(region = self.region, ?answer, "the region's lease was given back");
        }
    }

    /// Where the primary does not answer, every other edge that may take the lease is asked to leave it here.
    async fn go_on_by_promises(&self, tenant: &mut Tenant, base: Instant) {
        let (epoch, asked) = (tenant.epoch(), base.elapsed());
        if tenant.tenure(asked).is_some() && self.others.promise(&self.region, epoch).await {
            tenant.promised(epoch, asked);
            metrics::counter!("lease_kept_by_promises_total", "region" => self.region.clone()).increment(1);
        }
    }

    /// Asks, for as long as an answer is of use.
    async fn ask(&self, store: &mut Option<LeaseStore>, question: &Question) -> Answer {
        let asking = async {
            if store.is_none() {
                let connection = self.board.connect().await.map_err(|e| e.to_string())?;
                *store = Some(LeaseStore::new(connection, self.region.clone(), self.me.clone()));
            }
            match store {
                Some(store) => store.ask(&question.ask).await.map_err(|e| e.to_string()),
                None => Ok(Answer::Lost),
            }
        };
        let patience = (self.terms.term / 4).max(Duration::from_millis(100));
        let lost = match tokio::time::timeout(patience, asking).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(error)) => error,
            Err(_) => "no answer in time".to_owned(),
        };
        metrics::counter!("lease_questions_lost_total", "region" => self.region.clone()).increment(1);
        tracing::warn!(region = self.region, error = lost, "the region's lease cannot be asked for");
        *store = None;
        Answer::Lost
    }

    fn publish(&self, tenant: &Tenant, base: Instant) {
        let until = tenant.tenure(base.elapsed()).map(|tenure| base + tenure.until);
        let holder = tenant.holder().map(str::to_owned);
        let view = LeaseView { holder, epoch: tenant.epoch(), until };
        self.view.send_if_modified(|known| {
            let changed = *known != view;
            *known = view;
            changed
        });
    }
}
