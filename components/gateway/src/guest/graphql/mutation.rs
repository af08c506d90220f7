//! Mutations.

use async_graphql::{Context, Object, Result};

use super::{Asker, refused};
use crate::guest::api::{
    ApproachBody, CartBody, CheckoutBody, ErasureBody, FencesBody, IncidentBody, LogIn, MarkBody,
    PasswordBody, PaymentMethodBody, PinBody, PointsBody, QuoteBody, RatingBody, RefreshToken, RefundBody,
    RideBody, Stored, TipBody,
};
use crate::guest::bindings::petwalker::billing::invoices::Invoice;
use crate::guest::bindings::petwalker::identity::accounts::{Account, SessionTokens, SignUpRequest};
use crate::guest::bindings::petwalker::identity::profiles::{
    Pet, PetDetails, Position, Walker, WalkerDetails,
};
use crate::guest::bindings::petwalker::marketplace::shop::{Cart, Order, Product, ProductDetails};
use crate::guest::bindings::petwalker::matching::rides::{Ride, RideAction};
use crate::guest::bindings::petwalker::pricing::quotes::Quote;
use crate::guest::bindings::petwalker::tracking::routes::{Approach, Fence, Mark};
use crate::guest::replicas::{LATER, Replicas};
use crate::guest::{CHANGED, extract, local, ops};

/// What can be done.
pub struct Mutation;

fn asker<'a>(ctx: &Context<'a>) -> Result<&'a Asker> {
    ctx.data::<Asker>()
}

/// The call that a field makes: named by the request and the field's response key.
fn call(ctx: &Context<'_>, expected_version: Option<u32>) -> Result<extract::Context> {
    asker(ctx)?.context(&ctx.field(), expected_version).map_err(refused)
}

#[Object]
impl Mutation {
    /// Makes an account.
    async fn sign_up(&self, ctx: &Context<'_>, input: SignUpRequest) -> Result<Account> {
        let signing_up = async {
            let command = asker(ctx)?.open_command(ctx.field()).await.map_err(refused)?;
            ops::accounts::sign_up(command, input).await.map_err(refused)
        };
        local(signing_up).await
    }

    /// An operator approves a walker, who may appear then, or a partner, who may sell then.
    async fn approve_account(&self, ctx: &Context<'_>, id: String) -> Result<Account> {
        let caller = asker(ctx)?.caller().map_err(refused)?;
        local(ops::accounts::set_approval(caller, id, true)).await.map_err(refused)
    }

    /// An operator takes an approval back: the walker appears no more, the partner's products are neither shown nor sold.
    async fn withdraw_approval(&self, ctx: &Context<'_>, id: String) -> Result<Account> {
        let caller = asker(ctx)?.caller().map_err(refused)?;
        local(ops::accounts::set_approval(caller, id, false)).await.map_err(refused)
    }

    /// Opens a session.
    async fn log_in(&self, input: LogIn) -> Result<SessionTokens> {
        local(ops::accounts::log_in(input)).await.map_err(refused)
    }

    /// Trades a refresh token for new tokens.
    async fn refresh(&self, input: RefreshToken) -> Result<SessionTokens> {
        local(ops::accounts::refresh(input)).await.map_err(refused)
    }

    /// Ends the session of a refresh token.
    async fn log_out(&self, input: RefreshToken) -> Result<bool> {
        local(ops::accounts::log_out(input)).await.map(|()| true).map_err(refused)
    }

    /// Replaces the caller's password: every session of the account ends, and the answer opens one.
    async fn change_password(&self, ctx: &Context<'_>, input: PasswordBody) -> Result<SessionTokens> {
        let caller = asker(ctx)?.caller().map_err(refused)?;
        local(ops::accounts::change_password(caller, input)).await.map_err(refused)
    }

    /// Ends every session of the caller. Access tokens still read until they end, 15 minutes at most, and change nothing.
    async fn end_sessions(&self, ctx: &Context<'_>) -> Result<bool> {
        let caller = asker(ctx)?.caller().map_err(refused)?;
        local(ops::accounts::end_sessions(caller)).await.map(|()| true).map_err(refused)
    }

    /// Erases the caller, see `POST /v1/me/erasure`. It cannot be undone.
    async fn erase_me(&self, ctx: &Context<'_>, input: ErasureBody) -> Result<bool> {
        let token = asker(ctx)?.token().map_err(refused)?;
        local(ops::accounts::erase(token, input)).await.map(|()| true).map_err(refused)
    }

    /// Marks as read what the caller was told up to a notification, itself included; how many are unread then.
    async fn mark_notifications_read(&self, ctx: &Context<'_>, up_to: String) -> Result<u32> {
        let caller = asker(ctx)?.caller().map_err(refused)?;
        local(ops::notifications::mark_read(caller, up_to)).await.map_err(refused)
    }

    /// Adds a pet of the calling tutor.
    async fn add_pet(&self, ctx: &Context<'_>, input: PetDetails) -> Result<Pet> {
        local(ops::profiles::add_pet(call(ctx, None)?, input)).await.map_err(refused)
    }

    /// Writes the calling walker's profile.
    async fn put_walker(&self, ctx: &Context<'_>, input: WalkerDetails) -> Result<Walker> {
        local(ops::profiles::put_walker(call(ctx, None)?, input)).await.map_err(refused)
    }

    /// The calling walker is here and takes offers.
    async fn appear(&self, ctx: &Context<'_>, place: Position) -> Result<bool> {
        local(ops::profiles::appear(call(ctx, None)?.caller, place)).await.map(|()| true).map_err(refused)
    }

    /// The calling walker takes no more offers.
    async fn leave(&self, ctx: &Context<'_>) -> Result<bool> {
        ops::profiles::leave(&call(ctx, None)?.caller).map(|()| true).map_err(refused)
    }

    /// Prices a walk.
    async fn create_quote(&self, ctx: &Context<'_>, input: QuoteBody) -> Result<Quote> {
        local(ops::quotes::create(call(ctx, None)?, input)).await.map_err(refused)
    }

    /// Requests a ride with a quote.
    async fn request_ride(&self, ctx: &Context<'_>, input: RideBody) -> Result<Ride> {
        local(ops::rides::request(call(ctx, None)?, input)).await.map_err(refused)
    }

    /// The walker takes the offer.
    async fn accept_ride(
        &self,
        ctx: &Context<'_>,
        id: String,
        expected_version: Option<u32>,
    ) -> Result<Ride> {
        local(ops::rides::accept(call(ctx, expected_version)?, id)).await.map_err(refused)
    }

    /// The walker lets the offer pass, and is told nothing more of the ride.
    async fn decline_ride(
        &self,
        ctx: &Context<'_>,
        id: String,
        expected_version: Option<u32>,
    ) -> Result<bool> {
        ops::rides::decline(&call(ctx, expected_version)?, &id).map(|()| true).map_err(refused)
    }

    /// The walker is at the pickup.
    async fn arrive(&self, ctx: &Context<'_>, id: String, expected_version: Option<u32>) -> Result<Ride> {
        ops::rides::arrive(&call(ctx, expected_version)?, &id).map_err(refused)
    }

    /// Tutor or operator sets another PIN, which unlocks one that was wrong too often.
    async fn renew_pin(&self, ctx: &Context<'_>, id: String, expected_version: Option<u32>) -> Result<Ride> {
        ops::rides::renew_pin(&call(ctx, expected_version)?, &id).map_err(refused)
    }

    /// The walk rests.
    async fn pause_ride(&self, ctx: &Context<'_>, id: String, expected_version: Option<u32>) -> Result<Ride> {
        ops::rides::act(&call(ctx, expected_version)?, &id, &RideAction::Pause).map_err(refused)
    }

    /// The walk goes on.
    async fn resume_ride(
        &self,
        ctx: &Context<'_>,
        id: String,
        expected_version: Option<u32>,
    ) -> Result<Ride> {
        ops::rides::act(&call(ctx, expected_version)?, &id, &RideAction::Resume).map_err(refused)
    }

    /// Calls the ride off.
    async fn cancel_ride(
        &self,
        ctx: &Context<'_>,
        id: String,
        expected_version: Option<u32>,
    ) -> Result<Ride> {
        ops::rides::act(&call(ctx, expected_version)?, &id, &RideAction::Cancel).map_err(refused)
    }

    /// The tutor was not there.
    async fn report_no_show(
        &self,
        ctx: &Context<'_>,
        id: String,
        expected_version: Option<u32>,
    ) -> Result<Ride> {
        ops::rides::no_show(&call(ctx, expected_version)?, &id).map_err(refused)
    }

    /// The walk starts with the tutor's PIN.
    async fn start_ride(
        &self,
        ctx: &Context<'_>,
        id: String,
        input: PinBody,
        expected_version: Option<u32>,
    ) -> Result<Ride> {
        local(ops::rides::start(call(ctx, expected_version)?, id, input.pin)).await.map_err(refused)
    }

    /// The walk is done.
    async fn complete_ride(
        &self,
        ctx: &Context<'_>,
        id: String,
        expected_version: Option<u32>,
    ) -> Result<Ride> {
        ops::rides::complete(&call(ctx, expected_version)?, &id).map_err(refused)
    }

    /// An incident ends the walk.
    async fn interrupt_ride(
        &self,
        ctx: &Context<'_>,
        id: String,
        input: IncidentBody,
        expected_version: Option<u32>,
    ) -> Result<Ride> {
        ops::rides::interrupt(&call(ctx, expected_version)?, &id, input.reason).map_err(refused)
    }

    /// Rates the walker of a ride.
    async fn rate_walker(&self, ctx: &Context<'_>, ride_id: String, input: RatingBody) -> Result<Walker> {
        local(ops::rides::rate(call(ctx, None)?, ride_id, input)).await.map_err(refused)
    }

    /// Stores points of a walk.
    async fn append_points(&self, ctx: &Context<'_>, ride_id: String, input: PointsBody) -> Result<Stored> {
        let replicas = *ctx.data::<Replicas>()?;
        let stored =
            ops::tracks::append(&call(ctx, None)?.caller, &ride_id, input, replicas).map_err(refused)?;
        ctx.insert_http_header(CHANGED, ride_id);
        ctx.insert_http_header(LATER.0, LATER.1);
        Ok(stored)
    }

    /// Tells how far the walker has come on the way to the pets.
    async fn report_approach(
        &self,
        ctx: &Context<'_>,
        ride_id: String,
        input: ApproachBody,
    ) -> Result<Option<Approach>> {
        let told = ops::tracks::approach(&call(ctx, None)?.caller, &ride_id, input).map_err(refused)?;
        ctx.insert_http_header(CHANGED, ride_id);
        ctx.insert_http_header(LATER.0, LATER.1);
        Ok(told)
    }

    /// Marks the route of a walk under way.
    async fn put_mark(
        &self,
        ctx: &Context<'_>,
        ride_id: String,
        id: String,
        input: MarkBody,
    ) -> Result<Mark> {
        let mark = ops::marks::put(&call(ctx, None)?.caller, &ride_id, id, input).map_err(refused)?;
        ctx.insert_http_header(CHANGED, ride_id);
        Ok(mark)
    }

    /// Takes a mark off the route of a walk under way.
    async fn remove_mark(&self, ctx: &Context<'_>, ride_id: String, id: String) -> Result<bool> {
        local(ops::marks::remove(&call(ctx, None)?.caller, &ride_id, &id)).await.map_err(refused)?;
        ctx.insert_http_header(CHANGED, ride_id);
        Ok(true)
    }

    /// Sets where a walk may go and end.
    async fn set_fences(&self, ctx: &Context<'_>, ride_id: String, input: FencesBody) -> Result<Vec<Fence>> {
        ops::tracks::set_fences(&call(ctx, None)?.caller, &ride_id, input).map_err(refused)
    }

    /// Erases the route of a ride that is over.
    async fn erase_route(&self, ctx: &Context<'_>, ride_id: String) -> Result<bool> {
        local(ops::tracks::erase(&call(ctx, None)?.caller, &ride_id)).await.map_err(refused)?;
        Ok(true)
    }

    /// Adds a tip.
    async fn tip(&self, ctx: &Context<'_>, ride_id: String, input: TipBody) -> Result<Invoice> {
        local(ops::invoices::tip(call(ctx, None)?, ride_id, input)).await.map_err(refused)
    }

    /// Gives money back, by an operator.
    async fn refund(&self, ctx: &Context<'_>, ride_id: String, input: RefundBody) -> Result<Invoice> {
        local(ops::invoices::refund(call(ctx, None)?, ride_id, input)).await.map_err(refused)
    }

    /// Sets how the calling tutor pays.
    async fn set_payment_method(&self, ctx: &Context<'_>, input: PaymentMethodBody) -> Result<bool> {
        local(ops::invoices::set_payment_method(call(ctx, None)?, input))
            .await
            .map(|()| true)
            .map_err(refused)
    }

    /// Adds or replaces a product of the calling partner.
    async fn put_product(&self, ctx: &Context<'_>, input: ProductDetails) -> Result<Product> {
        local(ops::shop::put_product(call(ctx, None)?, input)).await.map_err(refused)
    }

    /// Replaces the calling tutor's cart.
    async fn put_cart(&self, ctx: &Context<'_>, input: CartBody) -> Result<Cart> {
        local(ops::shop::put_cart(call(ctx, None)?, input)).await.map_err(refused)
    }

    /// Turns the cart into an order of the total that the tutor agrees to.
    async fn checkout(&self, ctx: &Context<'_>, input: CheckoutBody) -> Result<Order> {
        local(ops::shop::checkout(call(ctx, None)?, input)).await.map_err(refused)
    }

    /// Pays a reserved order, which is confirmed once the payment is captured.
    async fn confirm_order(&self, ctx: &Context<'_>, id: String) -> Result<Order> {
        local(ops::shop::confirm(call(ctx, None)?, id)).await.map_err(refused)
    }
}
