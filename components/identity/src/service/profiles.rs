//! Pets, walkers and ratings.

use petwalker_kernel::{AccountId, Moment, PetId, RideId};
use petwalker_store::{Command, Sql, once, transaction};

use super::{Caller, Refusal};
use crate::domain::{Invalid, Pet, PetDetails, Role, WalkerDetails, WalkerProfile};
use crate::sql;

/// Most pets that are looked up at once.
const LOOKED_UP_MAX: usize = 10;

/// What a tutor thinks of a walk.
#[derive(Clone, Debug)]
pub struct Rating {
    /// The ride.
    pub ride: RideId,
    /// The walker.
    pub walker: AccountId,
    /// 1 to 5.
    pub stars: u8,
    /// In words.
    pub comment: String,
}

/// Pets of one tutor.
pub const PETS_MAX: u32 = 30;

/// Adds a pet of the calling tutor, who may have [`PETS_MAX`].
///
/// # Errors
/// When a detail is out of its range, the caller is no tutor, or has as many as there may be.
pub fn add_pet(
    sql: &impl Sql,
    moment: &mut Moment<'_>,
    command: &Command,
    caller: Caller,
    details: PetDetails,
) -> Result<Pet, Refusal> {
    if caller.role != Role::Tutor {
        return Err(Refusal::Forbidden);
    }
    let now = moment.now;
    transaction(sql, |sql| {
        once(
            sql,
            command,
            now,
            |sql| {
                details.check(now)?;
                if sql::pet_count(sql, caller.account)? >= PETS_MAX {
                    return Err(Refusal::LimitReached(format!("a tutor may have {PETS_MAX} pets")));
                }
                let pet = Pet { id: PetId::new(moment), tutor_id: caller.account, details };
                sql::insert_pet(sql, &pet)?;
                Ok(pet)
            },
            |pet| pet.id,
            |sql, id| sql::pet(sql, id)?.ok_or(Refusal::NotFound("pet")),
        )
    })
}

/// The caller's pets.
///
/// # Errors
/// When the database fails.
pub fn list_pets(sql: &impl Sql, caller: Caller) -> Result<Vec<Pet>, Refusal> {
    Ok(sql::pets_of(sql, caller.account)?)
}

/// Pets by id. A tutor gets the own ones only.
///
/// # Errors
/// When one is missing or another's, or there are too many.
pub fn get_pets(sql: &impl Sql, caller: Caller, ids: &[PetId]) -> Result<Vec<Pet>, Refusal> {
    if ids.len() > LOOKED_UP_MAX {
        let message = format!("may name {LOOKED_UP_MAX} pets");
        return Err(Refusal::Invalid(Invalid { field: "pet_ids", message }));
    }
    ids.iter()
        .map(|id| {
            sql::pet(sql, *id)?
                .filter(|pet| caller.role == Role::Operator || pet.tutor_id == caller.account)
                .ok_or(Refusal::NotFound("pet"))
        })
        .collect()
}

/// Writes the calling walker's profile.
///
/// # Errors
/// When a detail is out of its range, or the caller is no walker.
pub fn put_walker(
    sql: &impl Sql,
    moment: &Moment<'_>,
    command: &Command,
    caller: Caller,
    details: &WalkerDetails,
) -> Result<WalkerProfile, Refusal> {
    if caller.role != Role::Walker {
        return Err(Refusal::Forbidden);
    }
    details.check()?;
    transaction(sql, |sql| {
        once(
            sql,
            command,
            moment.now,
            |sql| {
                sql::put_walker(sql, caller.account, details)?;
                get_walker(sql, caller.account)
            },
            |_| (),
            |sql, ()| get_walker(sql, caller.account),
        )
    })
}

/// A walker's profile.
///
/// # Errors
/// When there is none.
pub fn get_walker(sql: &impl Sql, account: AccountId) -> Result<WalkerProfile, Refusal> {
    sql::walker(sql, account)?.ok_or(Refusal::NotFound("walker"))
}

/// Rates a walker once for a ride.
///
/// # Errors
/// When the rating is out of its range, the ride was rated before, or the caller is no tutor.
pub fn rate_walker(
    sql: &impl Sql,
    moment: &Moment<'_>,
    command: &Command,
    caller: Caller,
    rating: &Rating,
) -> Result<WalkerProfile, Refusal> {
    let refuse = |field, message: &str| Err(Refusal::Invalid(Invalid { field, message: message.to_owned() }));
    if caller.role != Role::Tutor {
        return Err(Refusal::Forbidden);
    }
    if !(1..=5).contains(&rating.stars) {
        return refuse("stars", "must be 1 to 5");
    }
    if rating.comment.chars().count() > 1_000 {
        return refuse("comment", "may have 1000 characters");
    }
    transaction(sql, |sql| {
        once(
            sql,
            command,
            moment.now,
            |sql| {
                sql::walker(sql, rating.walker)?.ok_or(Refusal::NotFound("walker"))?;
                let words = (rating.stars, rating.comment.as_str());
                if !sql::insert_rating(sql, rating.ride, caller.account, rating.walker, words, moment.now)? {
                    return refuse("ride_id", "was rated before");
                }
                get_walker(sql, rating.walker)
            },
            |_| (),
            |sql, ()| get_walker(sql, rating.walker),
        )
    })
}
