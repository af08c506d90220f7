//! What `wit/advice` generates.
#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
#![expect(unsafe_code, reason = "the canonical ABI's exported functions")]

wit_bindgen::generate!({ world: "petwalker:advice/advice", path: "../../wit/advice" });

export!(Component);

pub struct Component;
