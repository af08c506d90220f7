//! Tests of the whole, in one binary: each module is a part of the product seen from outside.

mod api;
mod bad_input;
mod components;
mod crash;
mod durability;
mod edges;
mod example;
mod faults;
mod fences;
mod fuzz;
mod global;
mod graphql;
mod history;
mod limits;
mod live;
mod marks;
mod photos;
mod rides;
mod schema;
mod starting;
mod statements;
mod subscriptions;
mod tidy;
mod tls;
