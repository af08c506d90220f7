//! What `wit/insights` generates.
#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
#![expect(unsafe_code, reason = "the canonical ABI's exported functions")]

wit_bindgen::generate!({
    world: "petwalker:insights/insights",
    path: ["../../wit/deps/spin-sqlite@3.1.0", "../../wit/insights"],
    with: { "spin:sqlite/sqlite@3.1.0": spin_sdk::sqlite::wit::sqlite },
});

export!(Component);

pub struct Component;
