//! Subscriptions: the same news as the live sockets tell, a step at a time.
//!
//! The node keeps the sockets and knows when something changed; a component keeps nothing between calls. So a subscription
//! is executed anew for each piece of news: once when it begins, and then from the cursor that it had reached.

use std::sync::{Mutex, PoisonError};

use async_graphql::futures_util::Stream;
use async_graphql::{Context, Result, Subscription};

use super::query::caller;
use super::refused;
use crate::guest::live::{self, LiveMessage};
use crate::guest::ops;
use crate::guest::problem::Problem;

/// What can be followed.
pub struct Subscriptions;

/// What a subscription read in a step.
#[derive(Clone)]
pub struct Reached {
    /// The ride.
    pub key: String,
    /// From where to read on.
    pub cursor: u64,
    /// Whether nothing will ever be new again.
    pub over: bool,
}

/// One step of a subscription.
pub struct Step {
    /// Up to where earlier steps read; none for the first.
    from: Option<u64>,
    reached: Mutex<Option<Reached>>,
}

impl Step {
    pub const fn new(from: Option<u64>) -> Self {
        Self { from, reached: Mutex::new(None) }
    }

    /// What was read, where anything was.
    pub fn reached(&self) -> Option<Reached> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, reached: Reached) -> Result<(), Problem> {
        let mut slot = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_some() {
            return Err(Problem::new("invalid", "a subscription follows one ride; subscribe once for each"));
        }
        *slot = Some(reached);
        Ok(())
    }
}

#[Subscription]
impl Subscriptions {
    /// What is new of a walk, from now on or from a cursor that was told before.
    async fn live(
        &self,
        ctx: &Context<'_>,
        ride_id: String,
        since: Option<u64>,
    ) -> Result<impl Stream<Item = LiveMessage> + use<>> {
        let step = ctx.data::<std::sync::Arc<Step>>()?;
        let message = follow(ctx, step, ride_id, since).map_err(refused)?;
        Ok(async_graphql::futures_util::stream::once(std::future::ready(message)))
    }
}

fn follow(ctx: &Context<'_>, step: &Step, id: String, since: Option<u64>) -> Result<LiveMessage, Problem> {
    // The rules are asked at each step: who may see the ride may change.
    let caller = caller(ctx)?;
    let message = match step.from.or(since) {
        Some(since) => live::since_for(&caller, &id, since)?.0,
        None => live::now(&id, ops::ride(&caller, &id)?.state)?,
    };
    let over = message.over(step.from.or(since).unwrap_or(message.cursor));
    step.note(Reached { key: id, cursor: message.cursor, over })?;
    Ok(message)
}
