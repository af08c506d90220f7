//! Keeping a region's lease, or waiting for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use edge_data::LocalDatabase;
use edge_data::lease::{Answer, Ask, Claimant, LeaseStore, Tenant, Terms};
use libsql::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::control::Others;
use crate::data::Reach;

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
pub(crate) enum LeaseBoard {
    /// A file on this machine.
    Local(LocalDatabase),
    /// A server.
    Remote(Reach),
}

/// Who asks for a region's lease, and the connection that is kept for it.
pub(crate) struct Asker {
    board: Arc<LeaseBoard>,
    region: String,
    me: Claimant,
    store: Option<LeaseStore>,
}

impl Asker {
    /// Asks for the lease of `region` as `me`; whoever only looks is nobody.
    pub(crate) const fn new(board: Arc<LeaseBoard>, region: String, me: Claimant) -> Self {
        Self { board, region, me, store: None }
    }

    async fn connect(&self) -> Result<Connection, libsql::Error> {
        match &*self.board {
            LeaseBoard::Local(database) => database.connect().await,
            LeaseBoard::Remote(Reach { url, token }) => edge_data::remote(url, token).await?.connect(),
        }
    }

    async fn try_ask(&mut self, ask: &Ask) -> Result<Answer, String> {
        let store = match self.store.take() {
            Some(store) => store,
            None => {
                let connection = self.connect().await.map_err(|e| e.to_string())?;
                LeaseStore::new(connection, self.region.clone(), self.me.clone())
            }
        };
        let answer = store.ask(ask).await.map_err(|e| e.to_string())?;
        // One that failed, or was given up, is not used again.
        self.store = Some(store);
        Ok(answer)
    }

    /// Asks, for so long; [`Answer::Lost`] where no answer comes.
    pub(crate) async fn ask(&mut self, ask: &Ask, patience: Duration) -> Answer {
        let lost = match tokio::time::timeout(patience, self.try_ask(ask)).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(error)) => error,
            Err(_) => "no answer in time".to_owned(),
        };
        metrics::counter!("lease_questions_lost_total", "region" => self.region.clone()).increment(1);
        tracing::warn!(region = self.region, error = lost, "the region's lease cannot be asked for");
        Answer::Lost
    }
}

/// Keeps the lease of one region.
pub(crate) struct LeaseKeeper {
    pub(crate) board: Arc<LeaseBoard>,
    pub(crate) region: String,
    /// Who this node is: its name and what tells its data folder from every other, and the region's topic.
    pub(crate) me: Claimant,
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
        let mut asker = Asker::new(self.board.clone(), self.region.clone(), self.me.clone());
        // An answer is of use for so long.
        let patience = (self.terms.term / 4).max(Duration::from_millis(100));
        let mut told_barred = None;
        loop {
            if let Some(question) = tenant.ask(base.elapsed()) {
                let answer = asker.ask(&question.ask, patience).await;
                let lost = matches!((&question.ask, &answer), (Ask::Renew { .. }, Answer::Lost));
                tenant.answered(&question, answer, base.elapsed());
                if lost {
                    self.go_on_by_promises(&mut tenant, base).await;
                }
                self.publish(&tenant, base);
                self.tell_barred(&tenant, &mut told_barred);
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
            let answer = asker.ask(&question.ask, patience).await;
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

    /// Says who keeps this edge from taking the lease, once for each epoch.
    fn tell_barred(&self, tenant: &Tenant, told: &mut Option<u64>) {
        let barred_by = tenant.barred_by();
        let epoch = barred_by.map(|lease| lease.epoch);
        if let Some(lease) = barred_by.filter(|_| *told != epoch) {
            tracing::error!(
                region = self.region,
                holder = lease.holder,
                its_topic = lease.topic,
                topic = self.me.topic,
                "the region's last owner published to another topic than this edge reads; only that edge can go on with a \
                 new one: start it first, with the same stream.topic_prefix as here"
            );
        }
        *told = epoch;
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
