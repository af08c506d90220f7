//! What `wit/identity` generates.
#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
#![expect(unsafe_code, reason = "the canonical ABI's exported functions")]

wit_bindgen::generate!({
    world: "petwalker:identity/identity",
    path: [
        "../../wit/deps/spin-sqlite@3.1.0",
        "../../wit/deps/spin-variables@3.0.0",
        "../../wit/identity",
    ],
    with: {
        "spin:sqlite/sqlite@3.1.0": spin_sdk::sqlite::wit::sqlite,
        "spin:variables/variables@3.0.0": spin_sdk::variables::wit::variables,
    },
});

export!(Component);

pub struct Component;
