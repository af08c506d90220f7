//! How many requests of one address the components answer at once: whoever sends hundreds together waits for itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::address::counted;
use super::turns::{Turn, TurnOptions, Turns};

/// The turns of every address. One without requests takes no memory.
pub(super) struct Shares {
    options: TurnOptions,
    refused: metrics::Counter,
    by_address: Mutex<HashMap<IpAddr, Served>>,
}

/// An address that has requests waiting or under way, and how many.
struct Served {
    turns: Arc<Turns>,
    places: usize,
}

/// One of the requests that an address has under way. Dropping it lets its next one begin.
pub(crate) struct Share<'a> {
    _turn: Turn,
    _place: Place<'a>,
}

/// A request that waits or is under way. Its address is remembered as long.
struct Place<'a> {
    shares: &'a Shares,
    address: IpAddr,
}

impl Shares {
    pub(super) fn new(options: TurnOptions) -> Self {
        let refused = metrics::counter!("throttle_shares_refused_total");
        Self { options, refused, by_address: Mutex::default() }
    }

    /// Waits until the address has fewer than its share under way; none where too many of it wait, or it took too long.
    pub(super) async fn take(&self, client: IpAddr) -> Option<Share<'_>> {
        let (place, turns) = self.place(counted(client));
        let turn = turns.take().await?;
        Some(Share { _turn: turn, _place: place })
    }

    fn place(&self, address: IpAddr) -> (Place<'_>, Arc<Turns>) {
        let new = || Served { turns: Arc::new(Turns::new(self.options, self.refused.clone())), places: 0 };
        let mut books = self.books();
        let served = books.entry(address).or_insert_with(new);
        served.places += 1;
        (Place { shares: self, address }, served.turns.clone())
    }

    fn books(&self) -> MutexGuard<'_, HashMap<IpAddr, Served>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut books = self.shares.books();
        if let Some(served) = books.get_mut(&self.address) {
            served.places -= 1;
            if served.places == 0 {
                books.remove(&self.address);
            }
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
