//! Between the bindings' types and the domain's.

use petwalker_kernel::{AccountId, GeoPoint};
use petwalker_store::{Command, CommandError};

use super::bindings::exports::petwalker::identity::{accounts as wit, profiles};
use crate::domain::{
    ACCESS_TTL, Account, Availability, Claims, Invalid, Pet, PetDetails, PetSize, Role, Species,
    WalkerDetails, WalkerProfile,
};
use crate::service::{Caller, Rating, Refusal, SessionTokens, SignUp};

/// Characters of the geohash by which others know where a walker's area is: cells of about 5 km.
const AREA_CELL_CHARACTERS: usize = 5;

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err asks for")]
fn invalid(field: &'static str, message: impl ToString) -> Refusal {
    Refusal::Invalid(Invalid { field, message: message.to_string() })
}

fn role(role: wit::CallerRole) -> Role {
    match role {
        wit::CallerRole::Tutor => Role::Tutor,
        wit::CallerRole::Walker => Role::Walker,
        wit::CallerRole::Operator => Role::Operator,
        wit::CallerRole::Partner => Role::Partner,
    }
}

fn role_to_wit(role: Role) -> wit::CallerRole {
    match role {
        Role::Tutor => wit::CallerRole::Tutor,
        Role::Walker => wit::CallerRole::Walker,
        Role::Operator => wit::CallerRole::Operator,
        Role::Partner => wit::CallerRole::Partner,
    }
}

pub(super) fn account_id(field: &'static str, id: &str) -> Result<AccountId, Refusal> {
    id.parse().map_err(|e| invalid(field, e))
}

pub(super) fn caller(caller: &wit::Caller) -> Result<Caller, Refusal> {
    let account = account_id("caller.account_id", &caller.account_id)?;
    Ok(Caller { account, role: role(caller.role) })
}

pub(super) fn caller_to_wit(claims: Claims) -> wit::Caller {
    wit::Caller { account_id: claims.account.to_string(), role: role_to_wit(claims.role) }
}

pub(super) fn command(command: wit::Command, caller: Caller) -> Command {
    Command { actor: caller.account.to_string(), id: command.id, fingerprint: command.fingerprint }
}

pub(super) fn sign_up(request: wit::SignUpRequest) -> SignUp {
    SignUp {
        email: request.email,
        password: request.password,
        display_name: request.display_name,
        role: role(request.role),
        operator_code: request.operator_code,
    }
}

pub(super) fn account(account: Account) -> wit::Account {
    wit::Account {
        id: account.id.to_string(),
        email: account.email,
        display_name: account.display_name,
        role: role_to_wit(account.role),
        created_at: wit::Instant { epoch_ms: account.created_at.get() },
        approved: account.approved,
    }
}

pub(super) fn tokens(tokens: SessionTokens) -> wit::SessionTokens {
    wit::SessionTokens {
        access_token: tokens.access_token,
        refresh_token: tokens.refresh_token,
        expires_in_s: u32::try_from(ACCESS_TTL.get() / 1_000).unwrap_or(u32::MAX),
        account_id: tokens.account.id.to_string(),
        role: role_to_wit(tokens.account.role),
    }
}

pub(super) fn pet_details(details: profiles::PetDetails) -> PetDetails {
    PetDetails {
        name: details.name,
        species: match details.species {
            profiles::Species::Dog => Species::Dog,
            profiles::Species::Cat => Species::Cat,
            profiles::Species::Other => Species::Other,
        },
        weight_g: details.weight_g,
        birth_date: details.birth_date,
        conditions: details.conditions,
        temperament: details.temperament,
    }
}

fn size_to_wit(size: PetSize) -> profiles::PetSize {
    match size {
        PetSize::Small => profiles::PetSize::Small,
        PetSize::Medium => profiles::PetSize::Medium,
        PetSize::Large => profiles::PetSize::Large,
        PetSize::Giant => profiles::PetSize::Giant,
    }
}

fn size(size: profiles::PetSize) -> PetSize {
    match size {
        profiles::PetSize::Small => PetSize::Small,
        profiles::PetSize::Medium => PetSize::Medium,
        profiles::PetSize::Large => PetSize::Large,
        profiles::PetSize::Giant => PetSize::Giant,
    }
}

pub(super) fn pet(pet: Pet) -> profiles::Pet {
    let Pet { id, tutor_id, details } = pet;
    profiles::Pet {
        id: id.to_string(),
        tutor_id: tutor_id.to_string(),
        size: size_to_wit(PetSize::of(details.weight_g)),
        details: profiles::PetDetails {
            name: details.name,
            species: match details.species {
                Species::Dog => profiles::Species::Dog,
                Species::Cat => profiles::Species::Cat,
                Species::Other => profiles::Species::Other,
            },
            weight_g: details.weight_g,
            birth_date: details.birth_date,
            conditions: details.conditions,
            temperament: details.temperament,
        },
    }
}

pub(super) fn walker_details(details: profiles::WalkerDetails) -> Result<WalkerDetails, Refusal> {
    let centre = details.area_centre;
    let mut accepted_sizes: Vec<PetSize> = details.accepted_sizes.into_iter().map(size).collect();
    accepted_sizes.dedup();
    Ok(WalkerDetails {
        area_centre: GeoPoint::new(centre.lat, centre.lon).map_err(|e| invalid("area_centre", e))?,
        area_radius_m: details.area_radius_m,
        capacity: details.capacity,
        accepted_sizes,
        weekly: details
            .weekly
            .iter()
            .map(|a| Availability { weekday: a.weekday, from_minute: a.from_minute, to_minute: a.to_minute })
            .collect(),
        time_zone: details.time_zone,
    })
}

pub(super) fn walker(profile: WalkerProfile) -> profiles::Walker {
    let details = profile.details;
    profiles::Walker {
        account_id: profile.account_id.to_string(),
        display_name: profile.display_name,
        details: profiles::WalkerDetails {
            area_centre: profiles::Position {
                lat: details.area_centre.lat(),
                lon: details.area_centre.lon(),
            },
            area_radius_m: details.area_radius_m,
            capacity: details.capacity,
            accepted_sizes: details.accepted_sizes.into_iter().map(size_to_wit).collect(),
            weekly: details
                .weekly
                .into_iter()
                .map(|a| profiles::Availability {
                    weekday: a.weekday,
                    from_minute: a.from_minute,
                    to_minute: a.to_minute,
                })
                .collect(),
            time_zone: details.time_zone,
        },
        area_cell: details.area_centre.cell(AREA_CELL_CHARACTERS).to_string(),
        rating_milli: profile.rating_milli,
        ratings: profile.ratings,
    }
}

pub(super) fn rating(rating: profiles::Rating) -> Result<Rating, Refusal> {
    Ok(Rating {
        ride: rating.ride_id.parse().map_err(|e| invalid("ride_id", e))?,
        walker: rating.walker_id.parse().map_err(|e| invalid("walker_id", e))?,
        stars: rating.stars,
        comment: rating.comment,
    })
}

impl From<Refusal> for wit::Refusal {
    fn from(refusal: Refusal) -> Self {
        use wit::RefusalCode as Code;
        let code = match &refusal {
            Refusal::Invalid(_) | Refusal::Command(CommandError::BadId) => Code::Invalid,
            Refusal::NotFound(_) => Code::NotFound,
            Refusal::Forbidden => Code::Forbidden,
            Refusal::NotApproved => Code::NotApproved,
            Refusal::EmailTaken => Code::EmailTaken,
            Refusal::BadCredentials => Code::BadCredentials,
            Refusal::BadToken(_) | Refusal::SessionEnded => Code::BadToken,
            Refusal::TokenReused => Code::TokenReused,
            Refusal::TooManyRequests { .. } => Code::TooManyRequests,
            Refusal::LimitReached(_) => Code::LimitReached,
            Refusal::Command(CommandError::KeyReused(_)) => Code::KeyReused,
            Refusal::Command(CommandError::QuotaReached { .. }) => Code::QuotaReached,
            Refusal::Command(CommandError::Sql(_)) | Refusal::Password(_) => Code::Unavailable,
        };
        let field = match &refusal {
            Refusal::Invalid(invalid) => Some(invalid.field.to_owned()),
            _ => None,
        };
        let retry_after_s = match &refusal {
            Refusal::TooManyRequests { retry_after_s } => Some(*retry_after_s),
            _ => None,
        };
        Self { code, message: refusal.to_string(), field, retry_after_s }
    }
}
