//! What `wit/` generates for the gateway.
//!
//! Records that several packages spell alike are one type here, and the records that clients see carry what REST, OpenAPI
//! and GraphQL need.
#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

wit_bindgen::generate!({
    inline: "
        package petwalker:gateway@0.1.0;
        world gateway {
            import petwalker:identity/accounts@0.1.0;
            import petwalker:identity/profiles@0.1.0;
            import petwalker:matching/rides@0.1.0;
            import petwalker:matching/presence@0.1.0;
            import petwalker:pricing/quotes@0.1.0;
            import petwalker:tracking/routes@0.1.0;
            import petwalker:billing/invoices@0.1.0;
            import petwalker:marketplace/shop@0.1.0;
            import petwalker:advice/health@0.1.0;
            import petwalker:media/photos@0.1.0;
            import petwalker:notifications/inbox@0.1.0;
            import petwalker:insights/figures@0.1.0;
        }
    ",
    world: "petwalker:gateway/gateway",
    path: [
        "../../wit/deps/spin-sqlite@3.1.0",
        "../../wit/deps/spin-variables@3.0.0",
        "../../wit/identity",
        "../../wit/matching",
        "../../wit/pricing",
        "../../wit/tracking",
        "../../wit/billing",
        "../../wit/marketplace",
        "../../wit/advice",
        "../../wit/media",
        "../../wit/notifications",
        "../../wit/insights",
    ],
    generate_all,
    additional_derives: [serde::Serialize, serde::Deserialize, Clone, utoipa::ToSchema],
    additional_type_attributes: {
        "petwalker:identity/accounts@0.1.0/caller-role": [
            #[derive(async_graphql::Enum)]
            #[serde(rename_all = "snake_case")]
        ],
        "petwalker:identity/profiles@0.1.0/species": [
            #[derive(async_graphql::Enum)]
            #[serde(rename_all = "snake_case")]
        ],
        "petwalker:identity/profiles@0.1.0/pet-size": [
            #[derive(async_graphql::Enum)]
            #[serde(rename_all = "snake_case")]
        ],
        "petwalker:matching/rides@0.1.0/ride-state": [
            #[derive(async_graphql::Enum)]
            #[serde(rename_all = "snake_case")]
        ],
        "petwalker:pricing/quotes@0.1.0/line-kind": [
            #[derive(async_graphql::Enum)]
            #[serde(rename_all = "snake_case")]
        ],
        "petwalker:billing/invoices@0.1.0/payment-state": [
            #[derive(async_graphql::Enum)]
            #[serde(rename_all = "snake_case")]
        ],
        "petwalker:marketplace/shop@0.1.0/order-state": [
            #[derive(async_graphql::Enum)]
            #[serde(rename_all = "snake_case")]
        ],
        "petwalker:marketplace/shop@0.1.0/order-payment": [
            #[derive(async_graphql::Enum)]
            #[serde(rename_all = "snake_case")]
        ],
        "petwalker:advice/health@0.1.0/severity": [
            #[derive(async_graphql::Enum)]
            #[serde(rename_all = "snake_case")]
        ],
        "petwalker:identity/profiles@0.1.0/position": [
            #[derive(async_graphql::SimpleObject, async_graphql::InputObject)]
            #[graphql(input_name = "PositionInput")]
            #[serde(deny_unknown_fields)]
        ],
        "petwalker:identity/profiles@0.1.0/pet-details": [
            #[derive(async_graphql::SimpleObject, async_graphql::InputObject)]
            #[graphql(input_name = "PetDetailsInput")]
            #[serde(deny_unknown_fields)]
        ],
        "petwalker:identity/profiles@0.1.0/availability": [
            #[derive(async_graphql::SimpleObject, async_graphql::InputObject)]
            #[graphql(input_name = "AvailabilityInput")]
            #[serde(deny_unknown_fields)]
        ],
        "petwalker:identity/profiles@0.1.0/walker-details": [
            #[derive(async_graphql::SimpleObject, async_graphql::InputObject)]
            #[graphql(input_name = "WalkerDetailsInput")]
            #[serde(deny_unknown_fields)]
        ],
        "petwalker:marketplace/shop@0.1.0/product-details": [
            #[derive(async_graphql::SimpleObject, async_graphql::InputObject)]
            #[graphql(input_name = "ProductDetailsInput")]
            #[serde(deny_unknown_fields)]
        ],
        "petwalker:marketplace/shop@0.1.0/cart-line": [
            #[derive(async_graphql::SimpleObject, async_graphql::InputObject)]
            #[graphql(input_name = "CartLineInput")]
            #[serde(deny_unknown_fields)]
        ],
        "petwalker:identity/accounts@0.1.0/account": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:identity/accounts@0.1.0/session-tokens": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:identity/profiles@0.1.0/pet": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:identity/profiles@0.1.0/walker": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:matching/rides@0.1.0/ride": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:matching/rides@0.1.0/ride-pet": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:matching/rides@0.1.0/offer": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:matching/rides@0.1.0/ride-page": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:matching/presence@0.1.0/nearby-walker": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:pricing/quotes@0.1.0/quote": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:pricing/quotes@0.1.0/price-line": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:pricing/quotes@0.1.0/cancellation-terms": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:tracking/routes@0.1.0/accuracy-class": [
            #[derive(async_graphql::Enum)]
            #[serde(rename_all = "snake_case")]
        ],
        "petwalker:tracking/routes@0.1.0/precision": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:tracking/routes@0.1.0/seq-run": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:tracking/routes@0.1.0/gap": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:tracking/routes@0.1.0/haste": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:tracking/routes@0.1.0/pause": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:tracking/routes@0.1.0/route-summary": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:billing/invoices@0.1.0/invoice": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:billing/invoices@0.1.0/invoice-line": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:billing/invoices@0.1.0/balance": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:billing/invoices@0.1.0/ledger-check": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:marketplace/shop@0.1.0/product": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:marketplace/shop@0.1.0/product-page": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:marketplace/shop@0.1.0/cart": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:marketplace/shop@0.1.0/order": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:notifications/inbox@0.1.0/notification": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:notifications/inbox@0.1.0/notification-page": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:notifications/inbox@0.1.0/refusal-code": [
            #[serde(rename_all = "kebab-case")]
        ],
        "petwalker:insights/figures@0.1.0/day": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:insights/figures@0.1.0/refusal-code": [
            #[serde(rename_all = "kebab-case")]
        ],
        "petwalker:advice/health@0.1.0/advice-item": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:identity/accounts@0.1.0/sign-up-request": [
            #[derive(async_graphql::InputObject)]
            #[serde(deny_unknown_fields)]
        ],
        "petwalker:tracking/routes@0.1.0/fence-kind": [
            #[derive(async_graphql::Enum)]
            #[serde(rename_all = "snake_case")]
        ],
        "petwalker:tracking/routes@0.1.0/circle": [
            #[derive(async_graphql::SimpleObject, async_graphql::InputObject)]
            #[graphql(input_name = "CircleInput")]
            #[serde(deny_unknown_fields)]
        ],
        "petwalker:tracking/routes@0.1.0/fence": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:tracking/routes@0.1.0/fence-state": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:tracking/routes@0.1.0/crossing": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:tracking/routes@0.1.0/approach": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:tracking/routes@0.1.0/mark-kind": [
            #[derive(async_graphql::Enum)]
            #[serde(rename_all = "snake_case")]
        ],
        "petwalker:tracking/routes@0.1.0/mark": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:tracking/routes@0.1.0/live-figures": [
            #[derive(async_graphql::SimpleObject)]
        ],
        "petwalker:tracking/routes@0.1.0/track-point": [
            #[derive(async_graphql::SimpleObject, async_graphql::InputObject)]
            #[graphql(input_name = "TrackPointInput")]
            #[serde(deny_unknown_fields)]
        ],
        "petwalker:advice/health@0.1.0/weather": [
            #[derive(async_graphql::InputObject)]
            #[serde(deny_unknown_fields)]
        ],
        "petwalker:identity/accounts@0.1.0/refusal-code": [
            #[serde(rename_all = "kebab-case")]
        ],
        "petwalker:matching/rides@0.1.0/refusal-code": [
            #[serde(rename_all = "kebab-case")]
        ],
        "petwalker:pricing/quotes@0.1.0/refusal-code": [
            #[serde(rename_all = "kebab-case")]
        ],
        "petwalker:tracking/routes@0.1.0/refusal-code": [
            #[serde(rename_all = "kebab-case")]
        ],
        "petwalker:media/photos@0.1.0/refusal-code": [
            #[serde(rename_all = "kebab-case")]
        ],
        "petwalker:billing/invoices@0.1.0/refusal-code": [
            #[serde(rename_all = "kebab-case")]
        ],
        "petwalker:marketplace/shop@0.1.0/refusal-code": [
            #[serde(rename_all = "kebab-case")]
        ],
    },
    with: {
        "petwalker:identity/accounts@0.1.0/instant": crate::guest::api::Instant,
        "petwalker:matching/rides@0.1.0/instant": crate::guest::api::Instant,
        "petwalker:pricing/quotes@0.1.0/instant": crate::guest::api::Instant,
        "petwalker:tracking/routes@0.1.0/instant": crate::guest::api::Instant,
        "petwalker:billing/invoices@0.1.0/instant": crate::guest::api::Instant,
        "petwalker:marketplace/shop@0.1.0/instant": crate::guest::api::Instant,
        "petwalker:billing/invoices@0.1.0/partner-share": crate::guest::bindings::petwalker::marketplace::shop::PartnerShare,
        "petwalker:notifications/inbox@0.1.0/event-run": crate::guest::bindings::petwalker::billing::invoices::EventRun,
        "petwalker:insights/figures@0.1.0/event-run": crate::guest::bindings::petwalker::billing::invoices::EventRun,
        "petwalker:notifications/inbox@0.1.0/instant": crate::guest::api::Instant,
        "petwalker:notifications/inbox@0.1.0/caller": crate::guest::bindings::petwalker::identity::accounts::Caller,
        "petwalker:notifications/inbox@0.1.0/caller-role": crate::guest::bindings::petwalker::identity::accounts::CallerRole,
        "petwalker:insights/figures@0.1.0/instant": crate::guest::api::Instant,
        "petwalker:insights/figures@0.1.0/caller": crate::guest::bindings::petwalker::identity::accounts::Caller,
        "petwalker:insights/figures@0.1.0/caller-role": crate::guest::bindings::petwalker::identity::accounts::CallerRole,
        "petwalker:matching/rides@0.1.0/money": crate::guest::api::Money,
        "petwalker:pricing/quotes@0.1.0/money": crate::guest::api::Money,
        "petwalker:billing/invoices@0.1.0/money": crate::guest::api::Money,
        "petwalker:marketplace/shop@0.1.0/money": crate::guest::api::Money,
        "petwalker:matching/rides@0.1.0/position": crate::guest::bindings::petwalker::identity::profiles::Position,
        "petwalker:pricing/quotes@0.1.0/position": crate::guest::bindings::petwalker::identity::profiles::Position,
        "petwalker:tracking/routes@0.1.0/position": crate::guest::bindings::petwalker::identity::profiles::Position,
        "petwalker:matching/rides@0.1.0/caller": crate::guest::bindings::petwalker::identity::accounts::Caller,
        "petwalker:matching/rides@0.1.0/caller-role": crate::guest::bindings::petwalker::identity::accounts::CallerRole,
        "petwalker:matching/rides@0.1.0/command": crate::guest::bindings::petwalker::identity::accounts::Command,
        "petwalker:pricing/quotes@0.1.0/caller": crate::guest::bindings::petwalker::identity::accounts::Caller,
        "petwalker:pricing/quotes@0.1.0/caller-role": crate::guest::bindings::petwalker::identity::accounts::CallerRole,
        "petwalker:pricing/quotes@0.1.0/command": crate::guest::bindings::petwalker::identity::accounts::Command,
        "petwalker:billing/invoices@0.1.0/caller": crate::guest::bindings::petwalker::identity::accounts::Caller,
        "petwalker:billing/invoices@0.1.0/caller-role": crate::guest::bindings::petwalker::identity::accounts::CallerRole,
        "petwalker:billing/invoices@0.1.0/command": crate::guest::bindings::petwalker::identity::accounts::Command,
        "petwalker:marketplace/shop@0.1.0/caller": crate::guest::bindings::petwalker::identity::accounts::Caller,
        "petwalker:marketplace/shop@0.1.0/caller-role": crate::guest::bindings::petwalker::identity::accounts::CallerRole,
        "petwalker:marketplace/shop@0.1.0/command": crate::guest::bindings::petwalker::identity::accounts::Command,
        "petwalker:tracking/routes@0.1.0/fix": crate::guest::bindings::petwalker::matching::rides::Fix,
        "petwalker:matching/rides@0.1.0/pet-size": crate::guest::bindings::petwalker::identity::profiles::PetSize,
        "petwalker:pricing/quotes@0.1.0/pet-size": crate::guest::bindings::petwalker::identity::profiles::PetSize,
        "petwalker:advice/health@0.1.0/species": crate::guest::bindings::petwalker::identity::profiles::Species,
    },
});
