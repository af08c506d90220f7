//! The rule of the lease's row, without a database: what [`LeaseStore`](super::LeaseStore)'s statements do, for simulations.

use super::{Answer, Ask, Lease};

/// What the primary answers, in one transaction.
#[must_use]
pub fn answer_of(row: &mut Option<Lease>, me: &str, ask: &Ask) -> Answer {
    match (ask, row) {
        (Ask::Look, row) => Answer::Found(row.clone()),
        (Ask::Take { seen: None }, row @ None) => {
            *row =
                Some(Lease { holder: me.into(), epoch: 1, renewal: 1, released: false, heir: String::new() });
            Answer::Written(1)
        }
        (Ask::Take { seen: Some(seen) }, Some(row))
            if row.epoch == seen.epoch && row.renewal == seen.renewal =>
        {
            let (epoch, renewal) = (row.epoch + 1, row.renewal + 1);
            *row = Lease { holder: me.into(), epoch, renewal, released: false, heir: String::new() };
            Answer::Written(epoch)
        }
        (Ask::Renew { epoch }, Some(row)) if row.holder == me && row.epoch == *epoch && !row.released => {
            row.renewal += 1;
            Answer::Written(*epoch)
        }
        (Ask::Release { epoch, heir }, Some(row))
            if row.holder == me && row.epoch == *epoch && !row.released =>
        {
            row.renewal += 1;
            row.released = true;
            row.heir.clone_from(heir);
            Answer::Written(*epoch)
        }
        _ => Answer::Refused,
    }
}
