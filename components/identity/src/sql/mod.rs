//! Statements over identity's tables.

mod accounts;
mod life;
mod profiles;
mod sessions;
mod tickets;

pub use accounts::{account, credentials, insert_account, insert_seal_key, seal_key};
pub use life::{erase, erasures_after, password_hash, revoke_others, set_password_hash};
pub use profiles::{insert_pet, insert_rating, pet, pets_of, put_walker, walker};
pub use sessions::{
    Trade, insert_refresh_token, insert_session, is_revoked, mark_used, purge, purge_ended, refresh_token,
    revoke, session_account,
};
pub use tickets::{Ticket, insert_ticket, purge_ended_tickets, purge_tickets, take_ticket};
