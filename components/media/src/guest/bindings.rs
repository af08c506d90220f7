//! What `wit/media` generates.
#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
#![expect(unsafe_code, reason = "the canonical ABI's exported functions")]

wit_bindgen::generate!({
    world: "petwalker:media/media",
    path: ["../../wit/deps/spin-variables@3.0.0", "../../wit/media"],
    with: { "spin:variables/variables@3.0.0": spin_sdk::variables::wit::variables },
});

export!(Component);

pub struct Component;
