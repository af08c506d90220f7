//! How many requests of one address the components answer at once: whoever sends hundreds together waits for itself.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::address::counted;
use super::turns::TurnOptions;

/// What each address has under way. One without requests takes no memory.
pub(super) struct Shares {
    options: TurnOptions,
    refused: metrics::Counter,
    by_address: Mutex<HashMap<IpAddr, Served>>,
}

/// An address that has requests under way.
#[derive(Default)]
struct Served {
    under_way: usize,
    /// Those that wait, the oldest first; some may have given up.
    waiting: VecDeque<oneshot::Sender<Share>>,
}

/// One of the requests that an address has under way. Dropping it lets its next one begin.
pub(crate) struct Share {
    /// None once another request has it.
    shares: Option<Arc<Shares>>,
    address: IpAddr,
}

impl Shares {
    pub(super) fn new(options: TurnOptions) -> Arc<Self> {
        let refused = metrics::counter!("throttle_shares_refused_total");
        Arc::new(Self { options, refused, by_address: Mutex::default() })
    }

    /// Waits until the address has fewer than its share under way; none where too many of it wait, or it took too long.
    pub(super) async fn take(self: &Arc<Self>, client: IpAddr) -> Option<Share> {
        let address = counted(client);
        let turn = {
            let mut books = self.books();
            let served = books.entry(address).or_default();
            if served.under_way < self.options.at_once.max(1) {
                served.under_way += 1;
                return Some(Share { shares: Some(self.clone()), address });
            }
            if served.waiting.len() >= self.options.waiting_max {
                served.waiting.retain(|waiting| !waiting.is_closed());
            }
            let (sender, turn) = oneshot::channel();
            let is_room = served.waiting.len() < self.options.waiting_max;
            is_room.then(|| {
                served.waiting.push_back(sender);
                turn
            })
        };
        let share = match turn {
            // Whoever gives up after it was handed a share drops that with the channel.
            Some(turn) => tokio::time::timeout(self.options.wait, turn).await.ok().and_then(Result::ok),
            None => None,
        };
        if share.is_none() {
            self.refused.increment(1);
        }
        share
    }

    /// Hands a share on to the oldest that waits, or back.
    fn pass_on(self: Arc<Self>, address: IpAddr) {
        let mut share = Share { shares: Some(self.clone()), address };
        loop {
            let next = {
                let mut books = self.books();
                let Some(served) = books.get_mut(&address) else { break };
                let next = served.waiting.pop_front();
                if next.is_none() {
                    served.under_way -= 1;
                    if served.under_way == 0 {
                        books.remove(&address);
                    }
                }
                next
            };
            let Some(next) = next else { break };
            match next.send(share) {
                Ok(()) => return,
                Err(given_back) => share = given_back,
            }
        }
        // Handed back already.
        share.shares = None;
    }

    fn books(&self) -> MutexGuard<'_, HashMap<IpAddr, Served>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(shares) = self.shares.take() {
            shares.pass_on(self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::{Shares, TurnOptions};

    #[tokio::test]
    async fn one_address_waits_for_itself_only() {
        let shares = Shares::new(TurnOptions { at_once: 2, waiting_max: 1, wait: Duration::from_secs(5) });
        let [one, same, other] = ["2001:db8::1", "2001:db8::2", "192.0.2.1"]
            .map(|address| address.parse::<IpAddr>().expect("an address"));
        let (first, second) = (shares.take(one).await, shares.take(same).await);
        assert!(first.is_some() && second.is_some());
        assert!(shares.take(other).await.is_some(), "another address is not its concern");
        let (third, fourth, ()) = tokio::join!(shares.take(one), shares.take(same), async { drop(first) });
        assert!(third.is_some(), "it waited until one was answered");
        assert!(fourth.is_none(), "only so many wait");
        drop((second, third));
        assert!(shares.books().is_empty(), "who has nothing under way takes no memory");
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_nothing() {
        let shares = Shares::new(TurnOptions { at_once: 1, waiting_max: 9, wait: Duration::from_secs(5) });
        let address = IpAddr::from([192, 0, 2, 1]);
        let held = shares.take(address).await.expect("the only one");
        let given_up = tokio::time::timeout(Duration::from_millis(1), shares.take(address)).await;
        assert!(given_up.is_err());
        drop(held);
        assert!(shares.books().is_empty());
        assert!(shares.take(address).await.is_some());
    }
}
