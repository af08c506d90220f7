//! Frames of sockets: whatever is sent, each gets its answer, and the socket goes on.

use petwalker_tests::Socket;
use tokio_tungstenite::tungstenite::Message;

use super::fuzz;
use crate::live::Walk;

fn fuzz_frames(corpus: &str, protocol: &str, lat: f64, frame: impl Fn(&[u8]) -> Message) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (_walk, socket): (Walk, Socket) = runtime.block_on(async {
        let walk = Walk::begin(lat, -46.41).await;
        let (socket, _) = walk.track(protocol).await;
        (walk, socket)
    });
    let socket = tokio::sync::Mutex::new(socket);
    fuzz(corpus, 400, |bytes| {
        let answer = runtime.block_on(async {
            let mut socket = socket.lock().await;
            socket.send_raw(frame(bytes)).await;
            socket.next().await
        });
        let said = answer["type"].as_str().unwrap_or_default();
        assert!(["stored", "approach", "refused"].contains(&said), "{answer}");
        assert_ne!(answer["code"], "unavailable", "{answer}");
    });
}

#[test]
fn json_frames() {
    let text = |bytes: &[u8]| Message::text(String::from_utf8_lossy(bytes).into_owned());
    fuzz_frames("frame-json", "petwalker.v1.json", -23.41, text);
}

#[test]
fn messagepack_frames() {
    fuzz_frames("frame-msgpack", "petwalker.v1.msgpack", -23.42, |bytes| Message::binary(bytes.to_vec()));
}
