//! Statements over identity's tables.

mod accounts;
mod approval;
mod attempts;
mod life;
mod profiles;
mod sessions;
mod tickets;

pub use accounts::{account, credentials, insert_account, insert_seal_key, replace_password, seal_key};
pub use approval::{approve, await_approval, awaiting, awaits_approval};
pub use attempts::{attempts, clear_attempts, purge_attempts, put_attempts};
pub use life::{erase, erasures_after};
pub use profiles::{insert_pet, insert_rating, pet, pet_count, pets_of, put_walker, walker};
pub use sessions::{
    Trade, insert_refresh_token, insert_session, is_revoked, mark_used, purge, purge_ended, refresh_token,
    refreshes_since, revoke, revoke_all, session_account,
};
pub use tickets::{Ticket, insert_ticket, purge_ended_tickets, purge_tickets, take_ticket};
