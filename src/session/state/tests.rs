use chrono::TimeDelta;
use proptest::{prelude::*, test_runner::RngSeed};
use uuid::Uuid;

use super::*;
use crate::entity::session::InvalidationReason;

const GRACE: Duration = Duration::from_secs(35);
const MICROSECOND: Duration = Duration::from_micros(1);

fn rotated_at() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 50)
}

/// A live session whose current token was issued at [`rotated_at`].
fn row(generation: i64, parent: Option<i64>) -> session::Model {
    session::Model {
        id: Uuid::from_u128(1),
        account_id: Uuid::from_u128(2),
        generation,
        parent,
        seen_generation: -1,
        ip: "192.0.2.1".to_owned(),
        user_agent: "agent".to_owned(),
        user_agent_family: None,
        metadata: None,
        created_at: rotated_at(),
        refreshed_at: rotated_at(),
        last_seen_at: rotated_at(),
        expires_at: rotated_at() + Duration::from_hours(24 * 7),
        absolute_expires_at: rotated_at() + Duration::from_hours(24 * 90),
        invalidated_at: None,
        invalidation_reason: None,
        opened_in: None,
    }
}

fn ended(row: session::Model) -> session::Model {
    session::Model {
        invalidated_at: Some(row.refreshed_at),
        invalidation_reason: Some(InvalidationReason::Logout),
        ..row
    }
}

/// The same agent, nothing seen, so long after the current token was issued.
fn after(age: Duration) -> Circumstances {
    Circumstances {
        now: rotated_at() + age,
        grace: GRACE,
        recovery: true,
        agent_matches: true,
        seen_generation: -1,
    }
}

fn early() -> Circumstances {
    after(Duration::from_secs(1))
}

fn late() -> Circumstances {
    after(GRACE + MICROSECOND)
}

const REFUSED: fn(InvalidSessionReason) -> Transition = Transition::Refuse;

#[test]
fn the_current_token_rotates() {
    for circumstances in [early(), late()] {
        assert_eq!(decide(&row(0, None), 0, &circumstances), Transition::Rotate);
        assert_eq!(
            decide(&row(7, Some(5)), 7, &circumstances),
            Transition::Rotate
        );
    }
}

#[test]
fn the_parent_converges_up_to_the_last_instant_of_the_grace() {
    let row = row(3, Some(2));
    let at = |age| decide(&row, 2, &after(age));
    assert_eq!(at(Duration::ZERO), Transition::Converge);
    assert_eq!(at(GRACE), Transition::Converge);
    assert_eq!(at(GRACE + MICROSECOND), Transition::Recover);
}

#[test]
fn a_parent_whose_successor_was_seen_converges_within_the_grace_and_ends_the_session_later() {
    let seen = |circumstances| Circumstances {
        seen_generation: 3,
        ..circumstances
    };
    let row = row(3, Some(2));
    assert_eq!(decide(&row, 2, &seen(early())), Transition::Converge);
    assert_eq!(decide(&row, 2, &seen(late())), Transition::EndAsReused);
}

#[test]
fn what_was_seen_of_the_parent_itself_does_not_hinder_its_recovery() {
    let circumstances = Circumstances {
        seen_generation: 2,
        ..late()
    };
    assert_eq!(
        decide(&row(3, Some(2)), 2, &circumstances),
        Transition::Recover
    );
}

#[test]
fn a_parent_does_not_recover_again_when_something_issued_for_it_was_seen() {
    let row = row(4, Some(2));
    for seen_generation in [3, 4] {
        let circumstances = Circumstances {
            seen_generation,
            ..late()
        };
        assert_eq!(decide(&row, 2, &circumstances), Transition::EndAsReused);
    }
}

#[test]
fn a_late_parent_ends_the_session_where_recovery_is_switched_off() {
    let off = |circumstances| Circumstances {
        recovery: false,
        ..circumstances
    };
    let row = row(3, Some(2));
    assert_eq!(decide(&row, 2, &off(early())), Transition::Converge);
    assert_eq!(decide(&row, 2, &off(late())), Transition::EndAsReused);
}

#[test]
fn one_token_recovers_three_times() {
    let mut row = row(3, Some(2));
    for _ in 0..3 {
        assert_eq!(decide(&row, 2, &late()), Transition::Recover);
        row.generation += 1;
    }
    assert_eq!(decide(&row, 2, &early()), Transition::Converge);
    assert_eq!(decide(&row, 2, &late()), Transition::EndAsReused);
}

#[test]
fn older_and_void_tokens_end_the_session() {
    let row = row(6, Some(3));
    for circumstances in [early(), late()] {
        for presented in [0, 2, 4, 5] {
            assert_eq!(
                decide(&row, presented, &circumstances),
                Transition::EndAsReused,
                "{presented}"
            );
        }
    }
    let elsewhere = Circumstances {
        agent_matches: false,
        ..early()
    };
    assert_eq!(decide(&row, 4, &elsewhere), Transition::EndAsReused);
}

#[test]
fn one_generation_ahead_is_the_current_token_and_further_ahead_is_a_restored_backup() {
    let row = row(3, Some(2));
    assert_eq!(decide(&row, 4, &late()), Transition::RotateAhead);
    for presented in [5, 6, u32::MAX] {
        assert_eq!(
            decide(&row, presented, &late()),
            REFUSED(InvalidSessionReason::RolledBack)
        );
    }
}

#[test]
fn another_agent_is_refused_where_the_same_one_would_be_accepted() {
    let elsewhere = |circumstances| Circumstances {
        agent_matches: false,
        ..circumstances
    };
    let row = row(3, Some(2));
    for (presented, circumstances) in [(3, early()), (2, early()), (2, late()), (4, early())] {
        assert_eq!(
            decide(&row, presented, &elsewhere(circumstances)),
            REFUSED(InvalidSessionReason::AgentChanged),
            "{presented}"
        );
    }
    assert_eq!(
        decide(&row, 5, &elsewhere(early())),
        REFUSED(InvalidSessionReason::RolledBack)
    );
}

#[test]
fn a_session_that_is_over_refuses_every_token_and_its_end_goes_before_its_expiry() {
    let live = row(3, Some(2));
    let last_instant = Duration::from_micros(7 * 24 * 60 * 60 * 1_000_000 - 1);
    let expiry = last_instant + MICROSECOND;
    assert_eq!(decide(&live, 3, &after(last_instant)), Transition::Rotate);
    for presented in 0..=5 {
        assert_eq!(
            decide(&live, presented, &after(expiry)),
            REFUSED(InvalidSessionReason::Expired)
        );
        for circumstances in [early(), after(expiry)] {
            assert_eq!(
                decide(&ended(live.clone()), presented, &circumstances),
                REFUSED(InvalidSessionReason::Invalidated)
            );
        }
    }
}

#[test]
fn the_absolute_end_ends_a_session_that_was_refreshed_lately() {
    let mut row = row(3, Some(2));
    row.absolute_expires_at = rotated_at() + Duration::from_mins(1);
    assert_eq!(
        decide(&row, 3, &after(Duration::from_mins(1))),
        REFUSED(InvalidSessionReason::Expired)
    );
}

#[test]
fn what_lies_between_parent_and_row_is_void() {
    let void =
        |row: &session::Model| -> Vec<u32> { (0..10).filter(|g| is_void(row, *g)).collect() };
    assert_eq!(void(&row(6, Some(3))), [4, 5]);
    assert_eq!(void(&row(4, Some(3))), [0; 0]);
    assert_eq!(void(&row(0, None)), [0; 0]);
}

/// Rows as they come about, and beyond: any parent below the generation.
fn rows() -> impl Strategy<Value = session::Model> {
    (
        prop_oneof![4 => 0_i64..8, 1 => Just(i64::from(u32::MAX) - 8)],
        prop::option::weighted(0.9, 1_i64..6),
    )
        .prop_map(|(generation, distance)| {
            let parent = distance
                .map(|distance| generation - distance)
                .filter(|parent| *parent >= 0);
            row(generation, parent)
        })
}

/// A row, and a token around its generation.
fn presented() -> impl Strategy<Value = (session::Model, u32)> {
    (rows(), -7_i64..5).prop_map(|(row, distance)| {
        let presented = u32::try_from((row.generation + distance).max(0)).unwrap();
        (row, presented)
    })
}

/// Anything within the session's life.
fn circumstances() -> impl Strategy<Value = Circumstances> {
    let age = prop_oneof![
        3 => -60_000_000_i64..120_000_000,
        1 => Just(35_000_000),
        1 => Just(35_000_001),
        1 => 0_i64..600_000_000_000,
    ];
    (age, any::<bool>(), any::<bool>(), -1_i64..9).prop_map(
        |(age, recovery, agent_matches, seen_generation)| Circumstances {
            now: rotated_at() + TimeDelta::microseconds(age),
            grace: GRACE,
            recovery,
            agent_matches,
            seen_generation,
        },
    )
}

fn is_accepted(transition: Transition) -> bool {
    !matches!(transition, Transition::EndAsReused | Transition::Refuse(_))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(6_749),
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_is_accepted_from_another_agent((row, token) in presented(), circumstances in circumstances()) {
        let elsewhere = Circumstances { agent_matches: false, ..circumstances };
        let here = Circumstances { agent_matches: true, ..circumstances };
        let refused = decide(&row, token, &elsewhere);
        prop_assert!(!is_accepted(refused));
        // It hides no theft, and accuses nobody.
        let would_be = decide(&row, token, &here);
        if is_accepted(would_be) {
            prop_assert_eq!(refused, Transition::Refuse(InvalidSessionReason::AgentChanged));
        } else {
            prop_assert_eq!(refused, would_be);
        }
    }

    #[test]
    fn the_current_token_never_ends_its_session(row in rows(), circumstances in circumstances()) {
        let current = u32::try_from(row.generation).unwrap();
        prop_assert_ne!(decide(&row, current, &circumstances), Transition::EndAsReused);
    }

    #[test]
    fn a_void_token_always_ends_the_session(
        parent in 0_i64..5, between in 1_i64..5, further in 1_i64..5, circumstances in circumstances(),
    ) {
        let row = row(parent + between + further, Some(parent));
        let void = u32::try_from(parent + between).unwrap();
        prop_assert!(is_void(&row, void));
        prop_assert_eq!(decide(&row, void, &circumstances), Transition::EndAsReused);
    }

    #[test]
    fn only_the_parent_converges_and_recovers((row, token) in presented(), circumstances in circumstances()) {
        let transition = decide(&row, token, &circumstances);
        let presented = i64::from(token);
        let within_grace = circumstances.now <= row.refreshed_at + GRACE;
        match transition {
            Transition::Converge => prop_assert!(row.parent == Some(presented) && within_grace),
            Transition::Recover => {
                prop_assert!(row.parent == Some(presented) && !within_grace && circumstances.recovery);
                prop_assert!(circumstances.seen_generation <= presented, "its successor had arrived");
            }
            Transition::Rotate => prop_assert_eq!(row.generation, presented),
            Transition::RotateAhead => prop_assert_eq!(row.generation + 1, presented),
            Transition::EndAsReused => prop_assert!(presented < row.generation),
            Transition::Refuse(InvalidSessionReason::RolledBack) => prop_assert!(row.generation + 1 < presented),
            Transition::Refuse(_) => prop_assert!(!circumstances.agent_matches),
        }
    }

    #[test]
    fn an_ended_session_refuses_everything((row, token) in presented(), circumstances in circumstances()) {
        prop_assert_eq!(
            decide(&ended(row.clone()), token, &circumstances),
            Transition::Refuse(InvalidSessionReason::Invalidated)
        );
        let past = Circumstances { now: row.expires_at + (circumstances.now - rotated_at()).abs(), ..circumstances };
        prop_assert_eq!(decide(&row, token, &past), Transition::Refuse(InvalidSessionReason::Expired));
    }

    #[test]
    fn a_negative_age_is_none((row, token) in presented(), circumstances in circumstances(), behind in 0_u64..1_000_000_000) {
        let at = |now| decide(&row, token, &Circumstances { now, ..circumstances });
        prop_assert_eq!(at(rotated_at() - Duration::from_micros(behind)), at(rotated_at()));
    }

    #[test]
    fn the_grace_ends_at_one_instant(distance in 1_i64..6, grace in 0_u64..100_000_000, circumstances in circumstances()) {
        let row = row(9, Some(9 - distance));
        let grace = Duration::from_micros(grace);
        let parent = u32::try_from(9 - distance).unwrap();
        let at = |age| {
            let now = rotated_at() + age;
            decide(&row, parent, &Circumstances { now, grace, agent_matches: true, ..circumstances })
        };
        prop_assert_eq!(at(grace), Transition::Converge);
        prop_assert_ne!(at(grace + MICROSECOND), Transition::Converge);
    }

    #[test]
    fn switching_recovery_off_and_seeing_more_only_ever_turn_recovery_into_an_end(
        (row, token) in presented(), circumstances in circumstances(), more in 0_i64..9,
    ) {
        let circumstances = Circumstances { agent_matches: true, ..circumstances };
        let before = decide(&row, token, &circumstances);
        let off = Circumstances { recovery: false, ..circumstances };
        let seen = Circumstances { seen_generation: circumstances.seen_generation + more, ..circumstances };
        for stricter in [decide(&row, token, &off), decide(&row, token, &seen)] {
            prop_assert!(stricter == before || (before == Transition::Recover && stricter == Transition::EndAsReused));
        }
    }

    #[test]
    fn access_tokens_of_row_and_parent_and_older_ones_are_not_void((row, token) in presented()) {
        let presented = i64::from(token);
        let void = row.parent.is_some_and(|parent| presented > parent) && presented < row.generation;
        prop_assert_eq!(is_void(&row, token), void);
    }
}
