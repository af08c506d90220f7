//! Governing one region: following its owner, taking over from it, and giving it up.
//!
//! A region is followed for as long as its lease is somebody else's. Once the lease is this node's, everything that the topic
//! holds is taken over first; then a new epoch begins and requests are answered here. Once the lease has ended, nothing is
//! written any more, what is under way gets its answer, and the region is followed again. What this node wrote and the topic
//! never got is set aside, and the file made anew from the new owner's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use edge_data::WriteGate;
use edge_delivery::internal::TakeOverRoute;
use edge_delivery::regions::{Place, Region, Standing};
use edge_streams::{
    Chain, EventTable, Publish, RelayStatus, Source, Standby, StandbyError, StandbyStatus, Topic,
};
use petwalker_journal::Position;
use tokio::sync::{mpsc, oneshot, watch};

use super::control::{OwnersEvents, snapshot};
use super::core::{Core, file};
use super::lease::{LeaseView, Order};
use super::owned::Owned;
use super::{Shared, edge_of};
use crate::clock::now_ms;
use crate::epoch;

/// How long a hand-over may take before it is given up.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an edge that stops waits for requests under way.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
/// Between two attempts at what another edge or the topic must help with.
const RETRY_EVERY: Duration = Duration::from_millis(500);

/// A wish that a region be handed over.
pub(crate) struct HandOver {
    /// The edge that is to have it.
    pub(crate) to: String,
    /// The holder that it is as, with its data folder.
    pub(crate) heir: String,
    /// Told when it is done, or why not.
    pub(crate) done: oneshot::Sender<Result<(), String>>,
}

/// How far an owner's events are.
#[derive(Clone, Debug)]
pub(crate) struct Owning {
    /// Published.
    pub(crate) published: RelayStatus,
    /// Consumed.
    pub(crate) consumed: RelayStatus,
    /// Whether it may still write.
    pub(crate) gate: WriteGate,
}

/// Governs one region on this node.
pub(crate) struct Governor {
    pub(crate) shared: Arc<Shared>,
    pub(crate) region: Region,
    pub(crate) topic: Arc<dyn Topic>,
    pub(crate) place: Place,
    pub(crate) lease: watch::Receiver<LeaseView>,
    pub(crate) orders: mpsc::Sender<Order>,
    pub(crate) wishes: mpsc::Receiver<HandOver>,
    pub(crate) standby: StandbyStatus,
    /// Set while this node owns the region, for others to look at.
    pub(crate) owning: watch::Sender<Option<Owning>>,
    pub(crate) database: watch::Sender<Option<edge_data::LocalDatabase>>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// Why a region is no longer followed.
enum Turn {
    /// The node stops.
    Stop,
    /// The lease is this node's.
    Ours(u64),
    /// The file must be made anew.
    Anew,
}

impl Governor {
    /// Governs until the node stops.
    pub(crate) async fn run(mut self, mut core: Core) {
        loop {
            self.database.send_replace(Some(core.database.clone()));
            core = match self.follow(&core).await {
                Turn::Stop => {
                    // Instances end with the node, which is no failure of theirs.
                    core.app.leave();
                    return;
                }
                Turn::Ours(epoch) => {
                    if let Err(error) = self.own(&core, epoch).await {
                        tracing::error!(
                            region = self.region.name,
                            error = format!("{error:#}"),
                            "the region was not taken over"
                        );
                        if self.pause(RETRY_EVERY).await {
                            return;
                        }
                    }
                    core
                }
                Turn::Anew => match self.make_anew(core).await {
                    Some(core) => core,
                    None => return,
                },
            };
        }
    }

    /// Waits. True: the node stops.
    async fn pause(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.stop.wait_for(|stop| *stop)).await.is_ok()
    }

    fn new_standby(&self, core: &Core) -> Standby<TakeOverRoute> {
        let source: Arc<dyn Source> = Arc::new(OwnersEvents {
            shared: self.shared.clone(),
            region: self.region.name.clone(),
            lease: self.lease.clone(),
        });
        let (topic, database) = (self.topic.clone(), core.database.clone());
        Standby::new(
            topic,
            database,
            Some(source),
            TakeOverRoute::following(core.internal.clone()),
            self.standby.clone(),
        )
    }

    /// Follows the owner until that changes.
    async fn follow(&mut self, core: &Core) -> Turn {
        core.database.gate().open();
        let (halt, halted) = watch::channel(false);
        let standby = self.new_standby(core);
        let mut following = tokio::spawn(async move { standby.follow(halted).await });
        let mut ended = false;
        let turn = loop {
            self.show_standing();
            if *self.stop.borrow() {
                break Turn::Stop;
            }
            if let Some(epoch) = self.tenure() {
                break Turn::Ours(epoch);
            }
            tokio::select! {
                changed = self.lease.changed() => if changed.is_err() { break Turn::Stop },
                _ = self.stop.wait_for(|stop| *stop) => break Turn::Stop,
                wish = self.wishes.recv() => if let Some(wish) = wish {
                    drop(wish.done.send(Err("this edge does not own the region".to_owned())));
                },
                followed = &mut following, if !ended => {
                    let fork = matches!(followed, Ok(Err(StandbyError::Fork { .. })));
                    if let Ok(Err(error)) = &followed {
                        tracing::error!(region = self.region.name, %error, "the region's file left its owner's log");
                    }
                    ended = true;
                    if fork {
                        break Turn::Anew;
                    }
                }
            }
        };
        halt.send_replace(true);
        if !ended {
            // A batch that is being taken over meanwhile is taken over whole or not at all.
            drop(following.await);
        }
        turn
    }

    /// The epoch of this node's tenure, where the lease is its.
    fn tenure(&self) -> Option<u64> {
        let lease = self.lease.borrow();
        lease.until.is_some_and(|until| Instant::now() < until).then_some(lease.epoch)
    }

    /// Tells requests where to go while this node does not own the region.
    fn show_standing(&self) {
        let holder = self.lease.borrow().holder.clone();
        let edge = holder.as_deref().map(edge_of).filter(|edge| *edge != self.shared.config.node.name);
        self.place.set(edge.map_or(Standing::Nobody, |edge| Standing::Elsewhere(edge.to_owned())));
    }

    /// Takes the region over, and answers for it until the lease has ended.
    async fn own(&mut self, core: &Core, epoch: u64) -> anyhow::Result<()> {
        self.place.set(Standing::Nobody);
        let began = Instant::now();
        let standby = self.new_standby(core);
        // Everything that was acknowledged as in the stream is there: nothing is answered for before it is here, too.
        while let Err(error) = standby.catch_up().await {
            anyhow::ensure!(error.is_passing(), "{error}");
            anyhow::ensure!(self.tenure() == Some(epoch), "the lease ended meanwhile: {error}");
            tracing::warn!(region = self.region.name, %error, "the topic's end is not reached yet");
            if self.pause(RETRY_EVERY).await {
                return Ok(());
            }
        }
        let gate = core.database.gate().clone();
        let until = self.lease.borrow().until.context("the lease ended meanwhile")?;
        gate.open_until(until);
        let own = EventTable::open(&core.database).await?;
        let published = Publish::new(self.topic.clone(), own).published().await?;
        let me = &self.shared.config.node.name;
        epoch::begin(&core.database, &self.region.name, epoch, me, published).await?;
        let owned = Owned::start(&self.shared, core, self.topic.clone()).await?;
        self.place.set(Standing::Here(owned.answering.clone()));
        metrics::counter!("region_taken_over_total", "region" => self.region.name.clone()).increment(1);
        tracing::info!(
            region = self.region.name,
            epoch,
            elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "the region is answered for here"
        );
        let wish = self.answer_for(core, &owned, epoch).await;
        // Nobody new is admitted; the gate stays open for those under way for as long as the lease lasts.
        self.place.set(Standing::Nobody);
        let handed = match wish {
            Some(wish) => {
                let handed = self.hand_over(core, &owned, &wish).await;
                drop(wish.done.send(handed.clone().map_err(|e| e.clone())));
                handed.is_ok()
            }
            None => false,
        };
        if !handed && self.tenure() == Some(epoch) {
            self.finish(&owned).await;
        }
        gate.close();
        owned.end().await;
        self.owning.send_replace(None);
        tracing::info!(region = self.region.name, epoch, "the region is no longer answered for here");
        Ok(())
    }

    /// Answers until the lease has ended, the node stops, or somebody wishes it handed over.
    async fn answer_for(&mut self, core: &Core, owned: &Owned, epoch: u64) -> Option<HandOver> {
        let gate = core.database.gate();
        let (published, consumed) = (owned.published.clone(), owned.consumed.clone());
        self.owning.send_replace(Some(Owning { published, consumed, gate: gate.clone() }));
        loop {
            let lease = self.lease.borrow().clone();
            match lease.until {
                Some(until) if lease.epoch == epoch && Instant::now() < until => gate.open_until(until),
                _ => return None,
            }
            let until = lease.until.unwrap_or_else(Instant::now);
            tokio::select! {
                changed = self.lease.changed() => if changed.is_err() { return None },
                () = tokio::time::sleep_until(until.into()) => {}
                _ = self.stop.wait_for(|stop| *stop) => return None,
                wish = self.wishes.recv() => if wish.is_some() { return wish },
            }
        }
    }

    /// The node stops: what was admitted is finished and in the topic, then nothing is written any more.
    async fn finish(&self, owned: &Owned) {
        let region = &self.region.name;
        if tokio::time::timeout(DRAIN_TIMEOUT, owned.answering.drained()).await.is_err() {
            tracing::warn!(region, "requests were still under way when the region was given up");
        }
        match tokio::time::timeout(HAND_OVER_TIMEOUT, owned.settled()).await {
            Ok(Ok(last)) => tracing::info!(region, seq = last, "everything that is stored is in the topic"),
            Ok(Err(error)) => tracing::error!(region, error, "what is stored is not all in the topic"),
            Err(_) => tracing::error!(region, "what is stored is not all in the topic yet"),
        }
    }

    /// Hands the region over: everything admitted is finished and in the topic, then the heir may take the lease at once.
    async fn hand_over(&self, core: &Core, owned: &Owned, wish: &HandOver) -> Result<(), String> {
        let draining = async {
            owned.answering.drained().await;
            owned.settled().await?;
            core.database.gate().close();
            // A timer may have written something meanwhile.
            let table = EventTable::open(&core.database).await.map_err(|e| e.to_string())?;
            let last = table.last_seq().await.map_err(|e| e.to_string())?;
            owned.published.reached(last).await;
            Ok::<_, String>(last)
        };
        let last = tokio::time::timeout(HAND_OVER_TIMEOUT, draining)
            .await
            .unwrap_or_else(|_| Err("what was under way did not end in time".to_owned()))?;
        self.orders
            .send(Order::Leave(wish.heir.clone()))
            .await
            .map_err(|_| "the lease is not kept any more".to_owned())?;
        // Until the lease is given back it would be taken for this node's own.
        let mut lease = self.lease.clone();
        let given = lease.wait_for(|lease| lease.until.is_none() && lease.holder.is_none());
        if tokio::time::timeout(HAND_OVER_TIMEOUT, given).await.is_err() {
            return Err("the lease was not given back; it ends by itself".to_owned());
        }
        tracing::info!(region = self.region.name, to = wish.to, seq = last, "the region was handed over");
        self.shared.nudge(&wish.to, &self.region.name).await;
        Ok(())
    }

    /// Sets the file aside and makes it anew: from the owner's, or from the topic where that has everything.
    async fn make_anew(&mut self, core: Core) -> Option<Core> {
        self.place.set(Standing::Nobody);
        self.database.send_replace(None);
        core.database.gate().close();
        let known = match EventTable::open(&core.database).await {
            Ok(table) => table.position().await.map_or(0, |position| position.epoch),
            Err(_) => 0,
        };
        drop(core);
        loop {
            self.show_standing();
            match self.try_anew(known).await {
                Ok(core) => return Some(core),
                Err(error) => {
                    tracing::error!(
                        region = self.region.name,
                        error = format!("{error:#}"),
                        "the region's file was not made anew yet"
                    );
                }
            }
            if self.pause(RETRY_EVERY).await {
                return None;
            }
        }
    }

    /// `known` is the epoch of the last event in the file that is set aside: a topic that does not go beyond it has lost
    /// records, and its log would be a step back.
    async fn try_anew(&self, known: u64) -> anyhow::Result<Core> {
        let data = &self.shared.config.node.data;
        let path = file(data, &self.region.name);
        let lease = self.lease.borrow().clone();
        let whole = snapshot(&self.shared, &self.region.name, &lease).await;
        let (whole, log) = match whole {
            Ok(whole) => (Some(whole), None),
            Err(error) => {
                let log = Chain::read(&*self.topic, Position::START).await?.log();
                let further = log.end.epoch > known;
                anyhow::ensure!(further, "{error:#}, and the topic does not go beyond what is here");
                (None, Some(log))
            }
        };
        let aside = data.join("aside").join(format!("{}-{}", self.region.name, now_ms()));
        edge_data::private::create_folder(&aside)?;
        for suffix in ["", "-wal", "-shm"] {
            let from = path.with_extension(format!("db{suffix}"));
            if from.exists() {
                std::fs::rename(&from, aside.join(from.file_name().unwrap_or_default()))?;
            }
        }
        tracing::warn!(region = self.region.name, aside = %aside.display(), "what was here was set aside");
        metrics::counter!("region_made_anew_total", "region" => self.region.name.clone()).increment(1);
        if let Some(whole) = whole {
            std::fs::rename(&whole, &path)?;
        }
        let core = Core::open(&self.shared, &self.region).await?;
        if let Some(log) = log {
            self.new_standby(&core).take_over_whole(&log).await?;
        }
        Ok(core)
    }
}
