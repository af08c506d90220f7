//! Queries.

use async_graphql::{Context, Object, Result};

use super::{Asker, refused};
use crate::guest::api::{AdviceBody, AwaitingApproval};
use crate::guest::bindings::petwalker::advice::health::AdviceItem;
use crate::guest::bindings::petwalker::billing::invoices::{Balance, Invoice, LedgerCheck};
use crate::guest::bindings::petwalker::identity::accounts::{Account, Caller};
use crate::guest::bindings::petwalker::identity::profiles::{Pet, Position, Walker};
use crate::guest::bindings::petwalker::insights::figures::Day;
use crate::guest::bindings::petwalker::marketplace::shop::{Cart, Order, ProductPage};
use crate::guest::bindings::petwalker::matching::presence::NearbyWalker;
use crate::guest::bindings::petwalker::matching::rides::{Offer, Ride, RidePage};
use crate::guest::bindings::petwalker::notifications::inbox::NotificationPage;
use crate::guest::bindings::petwalker::pricing::quotes::Quote;
use crate::guest::bindings::petwalker::tracking::routes::{Fence, Mark, RouteSummary};
use crate::guest::problem::Problem;
use crate::guest::{local, ops};

/// What can be asked.
pub struct Query;

/// Who asks; refused where nobody is logged in.
pub(super) fn caller(ctx: &Context<'_>) -> Result<Caller, Problem> {
    let asker = ctx.data::<Asker>().map_err(|e| Problem::new("internal", e.message))?;
    asker.caller()
}

#[Object]
impl Query {
    /// The caller's account.
    async fn me(&self, ctx: &Context<'_>) -> Result<Account> {
        let caller = caller(ctx).map_err(refused)?;
        local(ops::accounts::me(caller)).await.map_err(refused)
    }

    /// The accounts that await an operator's approval, the oldest first.
    async fn awaiting_approval(
        &self,
        ctx: &Context<'_>,
        cursor: Option<String>,
        #[graphql(default = 20)] limit: u32,
    ) -> Result<AwaitingApproval> {
        let caller = caller(ctx).map_err(refused)?;
        local(ops::accounts::awaiting_approval(caller, cursor, limit)).await.map_err(refused)
    }

    /// The caller's pets, oldest first.
    async fn pets(&self, ctx: &Context<'_>) -> Result<Vec<Pet>> {
        let caller = caller(ctx).map_err(refused)?;
        local(ops::profiles::list_pets(caller)).await.map_err(refused)
    }

    /// Advice for a pet, gravest first.
    async fn advice(&self, ctx: &Context<'_>, pet_id: String, input: AdviceBody) -> Result<Vec<AdviceItem>> {
        let caller = caller(ctx).map_err(refused)?;
        local(ops::advice::advise(caller, pet_id, input)).await.map_err(refused)
    }

    /// A walker's profile. To others than the walker the area's centre is the middle of its cell.
    async fn walker(&self, ctx: &Context<'_>, account_id: String) -> Result<Walker> {
        let caller = caller(ctx).map_err(refused)?;
        local(ops::profiles::get_walker(&caller, account_id)).await.map_err(refused)
    }

    /// The nearest present walkers, nearest first; distances in steps of 500 m.
    async fn nearest_walkers(
        &self,
        ctx: &Context<'_>,
        place: Position,
        #[graphql(default = 10)] limit: u32,
    ) -> Result<Vec<NearbyWalker>> {
        caller(ctx).map_err(refused)?;
        ops::profiles::nearest(place, limit).map_err(refused)
    }

    /// A quote of the caller's.
    async fn quote(&self, ctx: &Context<'_>, id: String) -> Result<Quote> {
        let caller = caller(ctx).map_err(refused)?;
        ops::quotes::get(&caller, &id).map_err(refused)
    }

    /// A ride of the caller's.
    async fn ride(&self, ctx: &Context<'_>, id: String) -> Result<Ride> {
        let caller = caller(ctx).map_err(refused)?;
        ops::rides::get(&caller, &id).map_err(refused)
    }

    /// The caller's rides, newest first.
    async fn rides(
        &self,
        ctx: &Context<'_>,
        cursor: Option<String>,
        #[graphql(default = 20)] limit: u32,
    ) -> Result<RidePage> {
        let caller = caller(ctx).map_err(refused)?;
        ops::rides::list(&caller, cursor.as_deref(), limit).map_err(refused)
    }

    /// The calling walker's open offers.
    async fn offers(&self, ctx: &Context<'_>) -> Result<Vec<Offer>> {
        let caller = caller(ctx).map_err(refused)?;
        ops::rides::offers(&caller).map_err(refused)
    }

    /// The calling walker's offer of a ride, as long as it is open.
    async fn offer(&self, ctx: &Context<'_>, ride_id: String) -> Result<Offer> {
        let caller = caller(ctx).map_err(refused)?;
        ops::rides::offer(&caller, &ride_id).map_err(refused)
    }

    /// A ride's route in figures.
    async fn route(&self, ctx: &Context<'_>, ride_id: String) -> Result<RouteSummary> {
        let caller = caller(ctx).map_err(refused)?;
        ops::tracks::summary(&caller, &ride_id).map_err(refused)
    }

    /// The marks of a walk in the order of time.
    async fn marks(&self, ctx: &Context<'_>, ride_id: String) -> Result<Vec<Mark>> {
        let caller = caller(ctx).map_err(refused)?;
        ops::marks::list(&caller, &ride_id).map_err(refused)
    }

    /// The fences of a ride.
    async fn fences(&self, ctx: &Context<'_>, ride_id: String) -> Result<Vec<Fence>> {
        let caller = caller(ctx).map_err(refused)?;
        ops::tracks::fences(&caller, &ride_id).map_err(refused)
    }

    /// A ride's route as a GeoJSON feature.
    async fn route_geojson(
        &self,
        ctx: &Context<'_>,
        ride_id: String,
        #[graphql(default)] tolerance_m: f64,
    ) -> Result<String> {
        let caller = caller(ctx).map_err(refused)?;
        ops::tracks::geojson(&caller, &ride_id, tolerance_m).map_err(refused)
    }

    /// A ride's route as GPX 1.1.
    async fn route_gpx(
        &self,
        ctx: &Context<'_>,
        ride_id: String,
        #[graphql(default)] tolerance_m: f64,
    ) -> Result<String> {
        let caller = caller(ctx).map_err(refused)?;
        ops::tracks::gpx(&caller, &ride_id, tolerance_m).map_err(refused)
    }

    /// The route of a ride as encoded polylines of precision 5, one for each stretch without a break.
    async fn route_polylines(
        &self,
        ctx: &Context<'_>,
        ride_id: String,
        #[graphql(default)] tolerance_m: f64,
    ) -> Result<Vec<String>> {
        let caller = caller(ctx).map_err(refused)?;
        let routes = ops::tracks::polylines(&caller, &ride_id, tolerance_m).map_err(refused)?;
        Ok(routes.polylines)
    }

    /// The invoice of a ride.
    async fn invoice(&self, ctx: &Context<'_>, ride_id: String) -> Result<Invoice> {
        let caller = caller(ctx).map_err(refused)?;
        local(ops::invoices::get(caller, ride_id)).await.map_err(refused)
    }

    /// The caller's balances.
    async fn balances(&self, ctx: &Context<'_>) -> Result<Vec<Balance>> {
        let caller = caller(ctx).map_err(refused)?;
        local(ops::invoices::balances(caller)).await.map_err(refused)
    }

    /// The whole ledger added up, for operators.
    async fn ledger_check(&self, ctx: &Context<'_>) -> Result<LedgerCheck> {
        let caller = caller(ctx).map_err(refused)?;
        local(ops::invoices::check(caller)).await.map_err(refused)
    }

    /// The caller's inbox, newest first, in the language of `locale` (BCP 47) or the closest there is.
    async fn notifications(
        &self,
        ctx: &Context<'_>,
        cursor: Option<String>,
        #[graphql(default = 20)] limit: u32,
        #[graphql(default = "pt-BR")] locale: String,
    ) -> Result<NotificationPage> {
        let caller = caller(ctx).map_err(refused)?;
        local(ops::notifications::list(caller, cursor, limit, locale)).await.map_err(refused)
    }

    /// What happened in each region on each day, from one day to another (`YYYY-MM-DD`, UTC), for operators.
    async fn insight_days(
        &self,
        ctx: &Context<'_>,
        since: String,
        until: String,
        region: Option<String>,
    ) -> Result<Vec<Day>> {
        let caller = caller(ctx).map_err(refused)?;
        local(ops::insights::days(caller, since, until, region)).await.map_err(refused)
    }

    /// Products in the order of their titles.
    async fn products(
        &self,
        _ctx: &Context<'_>,
        category: Option<String>,
        cursor: Option<String>,
        #[graphql(default = 20)] limit: u32,
    ) -> Result<ProductPage> {
        local(ops::shop::browse(category, cursor, limit)).await.map_err(refused)
    }

    /// The calling tutor's cart.
    async fn cart(&self, ctx: &Context<'_>) -> Result<Cart> {
        let caller = caller(ctx).map_err(refused)?;
        local(ops::shop::get_cart(caller)).await.map_err(refused)
    }

    /// An order of the caller's.
    async fn order(&self, ctx: &Context<'_>, id: String) -> Result<Order> {
        let caller = caller(ctx).map_err(refused)?;
        local(ops::shop::get_order(caller, id)).await.map_err(refused)
    }
}
