//! The component: bindings, and conversions between them and the domain.

mod bindings;
mod convert;

use petwalker_kernel::AccountId;
use petwalker_store::{Ambient, Database};

use self::bindings::Component;
use self::bindings::exports::petwalker::marketplace::shop as wit;
use crate::service::{self, Refusal};

fn global() -> Result<Database, Refusal> {
    Ok(Database::open("global")?)
}

/// The caller's account, where the role is that one.
fn as_role(caller: &wit::Caller, role: wit::CallerRole) -> Result<AccountId, wit::Refusal> {
    if caller.role != role {
        let message = "your role may not do this".to_owned();
        return Err(wit::Refusal { code: wit::RefusalCode::Forbidden, message, field: None });
    }
    Ok(caller.account_id.parse().map_err(|_| Refusal::NotFound("account"))?)
}

impl wit::Guest for Component {
    async fn put_product(
        command: wit::Command,
        caller: wit::Caller,
        details: wit::ProductDetails,
    ) -> Result<wit::Product, wit::Refusal> {
        let partner = as_role(&caller, wit::CallerRole::Partner)?;
        let (command, details) = (convert::command(command, &caller), convert::details(details)?);
        let sql = global()?;
        let product =
            Ambient::moment(|moment| service::put_product(&sql, moment, &command, partner, details))?;
        Ok(convert::product(product))
    }

    async fn set_listed(partner_id: String, listed: bool) -> Result<(), wit::Refusal> {
        let partner = partner_id.parse().map_err(|_| Refusal::NotFound("account"))?;
        Ok(service::set_listed(&global()?, partner, listed)?)
    }

    async fn browse(
        category: Option<String>,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<wit::ProductPage, wit::Refusal> {
        let (products, next) = service::browse(&global()?, category.as_deref(), cursor.as_deref(), limit)?;
        Ok(wit::ProductPage { products: products.into_iter().map(convert::product).collect(), next })
    }

    async fn put_cart(
        command: wit::Command,
        caller: wit::Caller,
        lines: Vec<wit::CartLine>,
    ) -> Result<wit::Cart, wit::Refusal> {
        let tutor = as_role(&caller, wit::CallerRole::Tutor)?;
        let command = convert::command(command, &caller);
        let lines = lines.iter().map(convert::line).collect::<Result<Vec<_>, _>>()?;
        let sql = global()?;
        let cart = Ambient::moment(|moment| service::put_cart(&sql, moment, &command, tutor, &lines))?;
        Ok(convert::cart(cart))
    }

    async fn get_cart(caller: wit::Caller) -> Result<wit::Cart, wit::Refusal> {
        let tutor = as_role(&caller, wit::CallerRole::Tutor)?;
        Ok(convert::cart(service::get_cart(&global()?, tutor)?))
    }

    async fn checkout(
        command: wit::Command,
        caller: wit::Caller,
        total: wit::Money,
    ) -> Result<wit::Order, wit::Refusal> {
        let tutor = as_role(&caller, wit::CallerRole::Tutor)?;
        let (command, total) =
            (convert::command(command, &caller), convert::money_in(&total, "total.currency")?);
        let sql = global()?;
        let order = Ambient::moment(|moment| service::checkout(&sql, moment, &command, tutor, total))?;
        Ok(convert::order(order))
    }

    async fn pay(
        command: wit::Command,
        caller: wit::Caller,
        order_id: String,
    ) -> Result<wit::Paying, wit::Refusal> {
        let tutor = as_role(&caller, wit::CallerRole::Tutor)?;
        let command = convert::command(command, &caller);
        let sql = global()?;
        let id = convert::order_id(&order_id)?;
        let paying = Ambient::moment(|moment| service::pay(&sql, moment, &command, tutor, id))?;
        Ok(convert::paying(paying))
    }

    async fn unpaid() -> Result<Vec<wit::Paying>, wit::Refusal> {
        Ok(service::unpaid(&global()?)?.into_iter().map(convert::paying).collect())
    }

    async fn settle(order_id: String, attempt: u32, captured: bool) -> Result<wit::Order, wit::Refusal> {
        let order = service::settle(&global()?, convert::order_id(&order_id)?, attempt, captured)?;
        Ok(convert::order(order))
    }

    async fn get_order(caller: wit::Caller, order_id: String) -> Result<wit::Order, wit::Refusal> {
        let tutor = as_role(&caller, wit::CallerRole::Tutor)?;
        let id = convert::order_id(&order_id)?;
        Ok(convert::order(service::get_order(&global()?, tutor, id)?))
    }

    async fn forget(account_id: String) -> Result<(), wit::Refusal> {
        let account = account_id.parse().map_err(|_| Refusal::NotFound("account"))?;
        Ok(service::forget(&global()?, account)?)
    }

    async fn release_expired() -> Result<u32, wit::Refusal> {
        let sql = global()?;
        Ok(Ambient::moment(|moment| service::release_expired(&sql, moment))?)
    }
}
