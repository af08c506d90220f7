//! The rule of the lease's row, without a database: what [`LeaseStore`](super::LeaseStore)'s statements do, for simulations.

use super::{Answer, Ask, Claimant, Lease};

/// What the primary answers, in one transaction.
#[must_use]
pub fn answer_of(row: &mut Option<Lease>, me: &Claimant, ask: &Ask) -> Answer {
    match (ask, row) {
        (Ask::Look, row) => Answer::Found(row.clone()),
        (Ask::Take { seen: None }, row @ None) => {
            *row = Some(taken(me, 1, 1));
            Answer::Written(1)
        }
        (Ask::Take { seen: Some(seen) }, Some(row))
            if row.epoch == seen.epoch && row.renewal == seen.renewal =>
        {
            let (epoch, renewal) = (row.epoch + 1, row.renewal + 1);
            *row = taken(me, epoch, renewal);
            Answer::Written(epoch)
        }
        (Ask::Renew { epoch }, Some(row))
            if row.holder == me.name && row.epoch == *epoch && !row.released =>
        {
            row.renewal += 1;
            Answer::Written(*epoch)
        }
        (Ask::Release { epoch, heir }, Some(row))
            if row.holder == me.name && row.epoch == *epoch && !row.released =>
        {
            row.renewal += 1;
            row.released = true;
            row.heir.clone_from(heir);
            Answer::Written(*epoch)
        }
        _ => Answer::Refused,
    }
}

fn taken(me: &Claimant, epoch: u64, renewal: u64) -> Lease {
    let Claimant { name, topic } = me.clone();
    Lease { holder: name, epoch, renewal, released: false, heir: String::new(), topic }
}
