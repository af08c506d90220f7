//! Bytes once written are read for ever, and what is written now is what was written then.

use std::path::PathBuf;

use petwalker_journal::{Envelope, RecordDigest};
use petwalker_kernel::{
    AccountId, BasisPoints, Millis, Moment, Money, OfferId, QuoteId, RideId, SeededEntropy, UtcMillis,
};

use super::{Offered, RideEvent, Settled};
use crate::domain::{CancellationPolicy, Commitment, PetSize, RideOrder, RidePet, Role, Walked};

const AT: UtcMillis = UtcMillis::new(1_780_000_000_000);

/// One event of every type, in the order of [`RideEvent::TYPES`], every field with a value of its own.
fn one_of_each() -> Vec<RideEvent> {
    let moment = &mut Moment { now: AT, entropy: &mut SeededEntropy(1) };
    let (tutor_id, walker_id) = (AccountId::new(moment), AccountId::new(moment));
    let quote_id = QuoteId::new(moment);
    let fee = Money::new(1_250, "BRL".parse().expect("a currency"));
    let settled = Settled {
        at: AT,
        walked: Walked { distance_m: 4_400, moving_ms: 3_000_000 },
        quote_id,
        tutor_id,
        walker_id: Some(walker_id),
        elapsed_ms: 3_600_000,
    };
    let order = RideOrder {
        id: RideId::new(moment),
        tutor_id,
        quote_id,
        price: fee,
        duration_min: 45,
        pets: vec![RidePet { id: "a-pet".to_owned(), size: PetSize::Large }],
        cell: "6gyf4".to_owned(),
        requested_at: AT,
        scheduled_for: Some(AT.plus(Millis::from_mins(90))),
        policy: CancellationPolicy {
            grace_min: 5,
            cutoff_hour: 20,
            late: BasisPoints(5_000),
            arrived: BasisPoints(10_000),
        },
    };
    vec![
        RideEvent::Requested { order, dispatch_at: AT.plus(Millis::from_mins(60)), sealed: None },
        RideEvent::Offered {
            wave: 2,
            until: AT.plus(Millis::from_mins(1)),
            offers: vec![Offered { id: OfferId::new(moment), walker_id, distance_m: 830 }],
        },
        RideEvent::OfferDeclined { walker_id, at: AT },
        RideEvent::Accepted(Commitment {
            walker_id,
            accepted_at: AT,
            time_zone: "America/Sao_Paulo".to_owned(),
            capacity: None,
        }),
        RideEvent::Arrived { at: AT },
        RideEvent::Started { at: AT },
        RideEvent::Paused { at: AT },
        RideEvent::Resumed { at: AT },
        RideEvent::Completed(settled.clone()),
        RideEvent::Interrupted(Settled { walker_id: None, ..settled }),
        RideEvent::Cancelled {
            by: Role::Walker,
            at: AT,
            fee,
            quote_id,
            tutor_id,
            walker_id: Some(walker_id),
        },
        RideEvent::WalkerWithdrew { walker_id, at: AT },
        RideEvent::Expired { at: AT },
        RideEvent::NoShow { at: AT, fee, quote_id, tutor_id, walker_id },
        RideEvent::PinRenewed { by: Role::Operator, tutor_id, at: AT, sealed: Some(vec![7; 3]) },
    ]
}

fn envelope(event_type: &str, payload: Vec<u8>) -> Envelope {
    Envelope {
        event_id: String::new(),
        event_type: event_type.to_owned(),
        stream_id: String::new(),
        version: 1,
        region: String::new(),
        epoch: 1,
        seq: 1,
        previous: RecordDigest::GENESIS,
        at_ms: 0,
        schema: RideEvent::SCHEMA,
        payload,
        command: None,
    }
}

fn golden_file(event_type: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    folder.join(format!("{event_type}-{}.hex", RideEvent::SCHEMA))
}

/// The kept bytes of a type. With `PETWALKER_UPDATE` set a missing file is written; one that is there never changes.
fn golden(event: &RideEvent) -> Vec<u8> {
    let file = golden_file(event.event_type());
    if std::env::var_os("PETWALKER_UPDATE").is_some() && !file.exists() {
        let written = rmp_serde::to_vec_named(event).expect("encodes");
        std::fs::write(&file, format!("{}\n", hex::encode(written))).expect("written");
    }
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    hex::decode(text.trim()).expect("hexadecimal")
}

#[test]
fn every_type_has_bytes_that_decode_for_ever() {
    let events = one_of_each();
    let types: Vec<_> = events.iter().map(RideEvent::event_type).collect();
    assert_eq!(types, RideEvent::TYPES, "one of each type, in order");
    for event in events {
        let kept = golden(&event);
        let read = RideEvent::read(&envelope(event.event_type(), kept.clone())).expect("decodes");
        assert_eq!(read, event);
        let written = rmp_serde::to_vec_named(&event).expect("encodes");
        assert_eq!(
            hex::encode(written),
            hex::encode(kept),
            "{}: raise the schema number",
            event.event_type()
        );
    }
}

#[test]
fn a_reader_passes_over_what_a_later_writer_adds() {
    for event in one_of_each() {
        let mut payload = golden(&event);
        let fields = payload[0] & 0x0f;
        assert_eq!(payload[0] & 0xf0, 0x80, "a map of few fields");
        payload[0] = 0x80 | (fields + 1);
        payload.extend(rmp_serde::to_vec("added later").expect("encodes"));
        payload.extend(rmp_serde::to_vec(&[1, 2, 3]).expect("encodes"));
        assert_eq!(RideEvent::read(&envelope(event.event_type(), payload)).expect("decodes"), event);
    }
}

#[test]
fn what_is_cut_short_or_of_an_unknown_type_is_an_error() {
    assert!(RideEvent::read(&envelope("ride.teleported", golden(&one_of_each()[4]))).is_err());
    for event in one_of_each() {
        let payload = golden(&event);
        for length in 0..payload.len() {
            let cut = envelope(event.event_type(), payload[..length].to_vec());
            assert!(RideEvent::read(&cut).is_err(), "{} cut at {length}", event.event_type());
        }
    }
}
