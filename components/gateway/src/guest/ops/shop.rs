//! The marketplace.

use super::Outcome;
use crate::guest::api::CartBody;
use crate::guest::bindings::petwalker::identity::accounts::Caller;
use crate::guest::bindings::petwalker::marketplace::shop::{
    self, Cart, Order, Product, ProductDetails, ProductPage,
};
use crate::guest::extract::Context;

pub async fn put_product(context: Context, details: ProductDetails) -> Outcome<Product> {
    Ok(shop::put_product(context.command, context.caller, details).await?)
}

pub async fn browse(category: Option<String>, cursor: Option<String>, limit: u32) -> Outcome<ProductPage> {
    Ok(shop::browse(category, cursor, limit).await?)
}

pub async fn put_cart(context: Context, body: CartBody) -> Outcome<Cart> {
    Ok(shop::put_cart(context.command, context.caller, body.lines).await?)
}

pub async fn get_cart(caller: Caller) -> Outcome<Cart> {
    Ok(shop::get_cart(caller).await?)
}

pub async fn checkout(context: Context) -> Outcome<Order> {
    Ok(shop::checkout(context.command, context.caller).await?)
}

pub async fn confirm(context: Context, id: String) -> Outcome<Order> {
    Ok(shop::confirm(context.command, context.caller, id).await?)
}

pub async fn get_order(caller: Caller, id: String) -> Outcome<Order> {
    Ok(shop::get_order(caller, id).await?)
}
