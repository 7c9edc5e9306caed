//! What a link does, one behaviour a test.

use super::*;
use crate::json::{self, Json};

/// Those from a million on weigh what they are.
impl Item for u32 {
    const WHAT: &'static str = "a number";

    fn write(&self, out: &mut Vec<u8>) {
        json::encode_int(i64::from(*self), out);
    }

    fn read(json: &Json<'_>) -> Option<u32> {
        json.as_int()?.try_into().ok()
    }

    fn weight(&self) -> usize {
        if *self >= 1_000_000 {
            *self as usize
        } else {
            0
        }
    }
}

/// The node under test is in its second life, the neighbour in its 700th.
const EPOCH: u64 = 2;
const PEER: u64 = 700;

/// The round trip of the network that the tests measure. Unit: ms.
const TRIP: u64 = 200;

const fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A link that knows nobody yet.
fn link() -> Link<u32> {
    Link::new(EPOCH, ACK_DELAY)
}

/// A link that knows its neighbour and has measured the round trip often enough for
/// the spread to be the least one: 210 ms are the longest. The last of 100 items was
/// acknowledged at 100 s.
fn measured() -> Link<u32> {
    let mut link = link();
    for item in 0..100 {
        let now = ms(u64::from(item) * 1000);
        send(&mut link, now, item..item + 1);
        let then = now + Duration::from_millis(TRIP);
        let ack = echoing(now, ack(0, u64::from(item) + 1));
        link.handle_segment(then, &ack).unwrap();
    }
    assert_eq!(link.trip.longest(), Duration::from_millis(TRIP + 10));
    assert!(link.is_quiet());
    link
}

/// Moments after those of [`measured`].
const fn later(millis: u64) -> Instant {
    ms(100_000 + millis)
}

/// Pushes items, which depart at once, and gives what is sent.
fn send(link: &mut Link<u32>, now: Instant, items: std::ops::Range<u32>) -> Vec<Segment<u32>> {
    for item in items {
        assert!(link.push(item));
    }
    link.release();
    drain(link, now)
}

/// Lets time come to `now` and takes what the link sends, digests too.
fn all(link: &mut Link<u32>, now: Instant) -> Vec<Segment<u32>> {
    link.handle_timeout(now);
    std::iter::from_fn(|| link.poll_transmit(now, true)).collect()
}

/// The same where no digest may be among them.
fn drain(link: &mut Link<u32>, now: Instant) -> Vec<Segment<u32>> {
    let sent = all(link, now);
    assert!(!sent.iter().any(|segment| segment.digest), "{sent:?}");
    sent
}

/// A delta from the neighbour, to which nothing was acknowledged yet.
fn delta(offset: u64, items: &[u32], ack: u64) -> Segment<u32> {
    Segment {
        epoch: PEER,
        peer: EPOCH,
        una: 0,
        offset,
        items: items.to_vec(),
        ack,
        ts: None,
        echo: None,
        held: 0,
        waited: 0,
        next: None,
        digest: false,
        end: None,
        missing: Vec::new(),
        need: 0,
        probe: false,
    }
}

/// An ack alone from the neighbour.
fn ack(offset: u64, ack: u64) -> Segment<u32> {
    delta(offset, &[], ack)
}

fn naming(missing: &[Range], segment: Segment<u32>) -> Segment<u32> {
    Segment {
        missing: missing.to_vec(),
        ..segment
    }
}

fn held(held: u64, segment: Segment<u32>) -> Segment<u32> {
    Segment { held, ..segment }
}

/// Answers what was sent at `sent`.
fn echoing(sent: Instant, segment: Segment<u32>) -> Segment<u32> {
    let echo = Some(sent.as_micros());
    Segment { echo, ..segment }
}

/// Tells that nothing below `una` is lacking.
fn from_una(una: u64, segment: Segment<u32>) -> Segment<u32> {
    Segment { una, ..segment }
}

/// Shows its sender's clock.
fn stamped(ts: u64, segment: Segment<u32>) -> Segment<u32> {
    let ts = Some(ts);
    Segment { ts, ..segment }
}

fn probing(segment: Segment<u32>) -> Segment<u32> {
    Segment {
        probe: true,
        ..segment
    }
}

/// What matters of a segment that was sent: its offset, its items and its ack.
fn gist(segments: &[Segment<u32>]) -> Vec<(u64, &[u32], u64)> {
    let gists = segments.iter().map(|s| (s.offset, &s.items[..], s.ack));
    gists.collect()
}

/// The neighbour's digest, which acknowledges what was sent below `ack`; its stream begins
/// at `una`.
fn sync(una: u64, ack: u64) -> Segment<u32> {
    Segment {
        digest: true,
        una,
        ..delta(una, &[], ack)
    }
}

/// The same, which promises a stream up to `end`.
fn promising(end: u64, sync: Segment<u32>) -> Segment<u32> {
    let end = Some(end);
    Segment { end, ..sync }
}

/// From the neighbour's next life, which knows this node as `peer`.
fn reborn(peer: u64, segment: Segment<u32>) -> Segment<u32> {
    Segment {
        epoch: PEER + 1,
        peer,
        ..segment
    }
}

/// Lets time come to `now`: the link sends a digest, and nothing else.
fn digest(link: &mut Link<u32>, now: Instant) -> Segment<u32> {
    let mut sent = all(link, now);
    assert!(sent.len() == 1 && sent[0].digest, "unexpected: {sent:?}");
    sent.remove(0)
}

/// Offsets, and how many items each segment has.
fn extents(segments: &[Segment<u32>]) -> Vec<(u64, usize)> {
    segments.iter().map(|s| (s.offset, s.items.len())).collect()
}

// Batches and flow control.

#[test]
fn items_wait_for_their_departure_and_leave_together() {
    let mut link = link();
    link.push(3);
    link.push(5);
    assert_eq!(drain(&mut link, ms(0)), []);
    link.release();
    link.push(8);
    assert_eq!(gist(&drain(&mut link, ms(0))), [(0, &[3, 5][..], 0)]);
    link.release();
    assert_eq!(gist(&drain(&mut link, ms(1))), [(2, &[8][..], 0)]);
}

#[test]
fn the_first_segment_goes_to_whoever_is_there_and_the_next_ones_to_who_answered() {
    let mut link = link();
    let sent = send(&mut link, ms(0), 0..1);
    assert_eq!((sent[0].epoch, sent[0].peer), (EPOCH, 0));
    link.handle_segment(ms(200), &ack(0, 1)).unwrap();
    assert_eq!(send(&mut link, ms(300), 1..2)[0].peer, PEER);
}

#[test]
fn a_long_queue_leaves_in_full_segments_up_to_the_window_and_goes_on_with_the_acks() {
    let count = WINDOW as u32 + 10;
    let mut link = link();
    let sent = send(&mut link, ms(0), 0..count);
    assert_eq!(sent.len(), 16);
    assert!(sent.iter().all(|segment| segment.items.len() == MAX_ITEMS));
    link.handle_segment(ms(200), &ack(0, MAX_ITEMS as u64))
        .unwrap();
    assert_eq!(extents(&drain(&mut link, ms(200))), [(WINDOW, 10)]);
}

// Acks.

#[test]
fn an_ack_rides_on_the_next_delta_and_says_how_long_it_was_held() {
    let mut link = link();
    link.handle_segment(ms(0), &delta(0, &[1, 2], 0)).unwrap();
    let sent = send(&mut link, ms(500), 7..8);
    assert_eq!(gist(&sent), [(0, &[7][..], 2)]);
    assert_eq!(sent[0].held, 500);
    assert_eq!(drain(&mut link, ms(1200)), [], "no ack is owed any more");
}

#[test]
fn an_ack_without_a_ride_goes_alone_after_the_ack_delay() {
    let mut link = link();
    link.handle_segment(ms(0), &delta(0, &[1], 0)).unwrap();
    link.handle_segment(ms(600), &delta(1, &[2], 0)).unwrap();
    assert_eq!(link.poll_timeout(), Some(ms(1000)), "the first one counts");
    assert_eq!(drain(&mut link, ms(999)), []);
    let sent = drain(&mut link, ms(1000));
    assert_eq!(gist(&sent), [(0, &[][..], 2)]);
    assert_eq!(sent[0].held, 400, "the newest one counts");
    assert!(link.is_quiet());
}

#[test]
fn a_full_segment_is_acknowledged_at_once_since_the_sender_may_wait_for_room() {
    let mut link = link();
    link.handle_segment(ms(0), &delta(0, &[9; MAX_ITEMS], 0))
        .unwrap();
    assert_eq!(
        gist(&drain(&mut link, ms(0))),
        [(0, &[][..], MAX_ITEMS as u64)]
    );
}

#[test]
fn an_ack_alone_is_never_answered() {
    let mut link = link();
    link.handle_segment(ms(0), &ack(0, 0)).unwrap();
    assert!(link.is_quiet());
    assert_eq!(drain(&mut link, ms(5000)), []);
}

#[test]
fn a_duplicate_is_counted_and_only_a_probe_is_answered() {
    let mut link = link();
    link.handle_segment(ms(0), &delta(0, &[1, 2], 0)).unwrap();
    drain(&mut link, ms(1000));
    link.handle_segment(ms(2000), &delta(0, &[1, 2], 0))
        .unwrap();
    assert!(link.is_quiet());
    assert_eq!(drain(&mut link, ms(2000)), []);
    link.handle_segment(ms(3000), &probing(delta(0, &[1, 2], 0)))
        .unwrap();
    assert_eq!(gist(&drain(&mut link, ms(3000))), [(0, &[][..], 2)]);
    assert_eq!(link.stats().duplicates, 2);
}

#[test]
fn a_segment_that_is_half_old_brings_its_new_half() {
    let mut link = link();
    link.handle_segment(ms(0), &delta(0, &[1, 2], 0)).unwrap();
    link.handle_segment(ms(1), &delta(1, &[2, 3], 0)).unwrap();
    assert_eq!((link.received(), link.stats().duplicates), (3, 0));
    assert_eq!(drain(&mut link, ms(1)), [], "nothing to complain about");
}

#[test]
fn acks_that_arrive_out_of_order_never_go_back() {
    let mut link = link();
    send(&mut link, ms(0), 0..4);
    link.handle_segment(ms(100), &ack(0, 3)).unwrap();
    link.handle_segment(ms(110), &ack(0, 1)).unwrap();
    assert_eq!((link.una, link.unacked()), (3, 1));
}

// Holes, on the receiver's side.

#[test]
fn a_hole_is_named_when_it_is_older_than_the_spread_and_again_after_a_round_trip_and_then_two() {
    let mut link = measured();
    link.handle_segment(later(0), &delta(1, &[5], 100)).unwrap();
    for now in [10, 220, 640] {
        assert_eq!(drain(&mut link, later(now - 1)), [], "it may just be late");
        let sent = drain(&mut link, later(now));
        assert_eq!(gist(&sent), [(100, &[][..], 0)]);
        assert_eq!(sent[0].missing, [(0, 0)], "the answer was lost");
    }
}

#[test]
fn what_was_late_only_is_never_named() {
    let mut link = measured();
    link.handle_segment(later(0), &delta(1, &[5], 100)).unwrap();
    link.handle_segment(later(9), &delta(0, &[4], 100)).unwrap();
    assert_eq!(drain(&mut link, later(500)), []);
    assert_eq!((link.received(), link.stats().holes), (2, 0));
}

#[test]
fn several_holes_are_named_in_one_segment_and_ride_on_a_delta() {
    let mut link = measured();
    for offset in [1, 2, 5, 7] {
        link.handle_segment(later(0), &delta(offset, &[0], 100))
            .unwrap();
    }
    link.push(100);
    link.release();
    let sent = drain(&mut link, later(10));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].missing, [(0, 0), (3, 4), (6, 6)]);
}

#[test]
fn an_ack_that_is_ahead_of_what_has_arrived_shows_a_hole_too() {
    let mut link = measured();
    link.handle_segment(later(0), &ack(3, 100)).unwrap();
    assert_eq!(drain(&mut link, later(10))[0].missing, [(0, 2)]);
}

#[test]
fn what_is_not_lacking_is_no_hole_and_what_lies_beyond_is_acknowledged() {
    let mut link = measured();
    link.handle_segment(later(0), &delta(1, &[5], 100)).unwrap();
    assert_eq!(drain(&mut link, later(10))[0].missing, [(0, 0)]);
    let una = from_una(1, ack(2, 100));
    link.handle_segment(later(20), &una).unwrap();
    assert_eq!(gist(&drain(&mut link, later(20))), [(100, &[][..], 2)]);

    let beyond = from_una(1, delta(3, &[6], 100));
    link.handle_segment(later(1100), &beyond).unwrap();
    assert_eq!(drain(&mut link, later(1110))[0].missing, [(2, 2)]);
    let now = later(1120);
    link.handle_segment(now, &from_una(3, sync(4, 100)))
        .unwrap();
    assert_eq!(gist(&drain(&mut link, now)), [(100, &[][..], 4)]);
    assert!(link.is_quiet());
}

#[test]
fn a_segment_tells_what_was_acknowledged() {
    let mut link = wary();
    send(&mut link, later(500), 101..103);
    link.handle_segment(later(600), &ack(0, 102)).unwrap();
    let sent = send(&mut link, later(700), 103..104);
    assert_eq!((sent[0].una, sent[0].offset), (102, 102));
    let (now, probe) = (later(800), probing(ack(0, 102)));
    link.handle_segment(now, &probe).unwrap();
    let sent = drain(&mut link, now);
    assert_eq!((sent[0].una, sent[0].offset), (102, 104));
}

// Losses, on the sender's side.

#[test]
fn only_what_is_missing_is_sent_again() {
    let mut link = measured();
    for item in 100..105 {
        send(&mut link, later(0), item..item + 1);
    }
    let missing = naming(&[(101, 101), (103, 103)], ack(0, 101));
    link.handle_segment(later(TRIP), &missing).unwrap();
    let sent = drain(&mut link, later(TRIP));
    assert_eq!(gist(&sent), [(101, &[101][..], 0), (103, &[103][..], 0)]);
    assert_eq!(link.stats().retransmitted, 2);
}

/// A [`measured`] link whose 100th item got lost, and came at the second try.
fn wary() -> Link<u32> {
    let mut link = measured();
    send(&mut link, later(0), 100..101);
    let missing = naming(&[(100, 100)], ack(0, 100));
    link.handle_segment(later(TRIP), &missing).unwrap();
    assert_eq!(extents(&drain(&mut link, later(TRIP))), [(100, 1)]);
    link.handle_segment(later(2 * TRIP), &ack(0, 101)).unwrap();
    link
}

#[test]
fn after_a_loss_the_next_delta_repeats_what_is_in_flight() {
    let mut link = wary();
    let first = send(&mut link, later(500), 101..103);
    assert_eq!(extents(&first), [(101, 2)]);
    let second = send(&mut link, later(700), 103..104);
    assert_eq!(gist(&second), [(101, &[101, 102, 103][..], 0)]);
    link.handle_segment(later(800), &ack(0, 103)).unwrap();
    let third = send(&mut link, later(900), 104..105);
    assert_eq!(gist(&third), [(103, &[103, 104][..], 0)]);
    assert_eq!(link.stats().retransmitted, 1, "each had something new");
}

#[test]
fn what_was_repeated_within_a_round_trip_is_not_sent_again_when_it_is_named() {
    let mut link = wary();
    send(&mut link, later(500), 101..102);
    send(&mut link, later(700), 102..103);
    let missing = naming(&[(101, 101)], ack(0, 101));
    link.handle_segment(later(710), &missing).unwrap();
    assert_eq!(drain(&mut link, later(710)), []);
    link.handle_segment(later(700 + TRIP), &missing).unwrap();
    assert_eq!(extents(&drain(&mut link, later(900))), [(101, 2)]);
}

#[test]
fn nothing_is_repeated_where_much_is_in_flight_or_it_is_heavy() {
    let mut link = wary();
    send(&mut link, later(500), 101..102);
    let many = send(&mut link, later(700), 102..101 + REPEATED as u32);
    assert_eq!(extents(&many), [(101, 64)], "just as much as may be");
    let more = send(&mut link, later(750), 200..201);
    assert_eq!(extents(&more), [(165, 1)]);

    let mut link = wary();
    let weight = MAX_WEIGHT as u32;
    send(&mut link, later(500), weight..weight + 1);
    let heavy = send(&mut link, later(700), weight + 1..weight + 2);
    assert_eq!(extents(&heavy), [(102, 1)]);
}

#[test]
fn a_link_that_has_lost_nothing_for_a_while_repeats_nothing() {
    let mut link = wary();
    for step in 0..WARY {
        send(&mut link, later(1000), 101 + step..102 + step);
    }
    let next = send(&mut link, later(1000), 900..901);
    assert_eq!(extents(&next), [(101 + u64::from(WARY), 1)]);
}

#[test]
fn neighbours_among_the_missing_are_sent_again_together_up_to_a_full_segment() {
    let mut link = measured();
    let batches = [100..500, 500..900, 900..1300];
    batches
        .into_iter()
        .for_each(|batch| drop(send(&mut link, later(0), batch)));
    let missing = naming(&[(100, 1299)], ack(0, 100));
    link.handle_segment(later(TRIP), &missing).unwrap();
    let sent = drain(&mut link, later(TRIP));
    assert_eq!(extents(&sent), [(100, 1024), (1124, 176)]);
    let rest = naming(&[(1124, 1299)], ack(0, 1124));
    link.handle_segment(later(2 * TRIP), &rest).unwrap();
    let sent = drain(&mut link, later(2 * TRIP));
    assert_eq!(extents(&sent), [(1124, 176)], "a flight of its own");
}

#[test]
fn what_of_a_flight_finds_no_room_in_the_next_try_is_as_old_as_before() {
    let mut link = measured();
    send(&mut link, later(0), 100..500);
    send(&mut link, later(100), 500..1300);
    let probe = drain(&mut link, later(1210));
    assert_eq!(extents(&probe), [(100, MAX_ITEMS)]);
    // Less than a round trip after that, but not after the first time.
    let now = later(1400);
    link.handle_segment(now, &ack(0, 1124)).unwrap();
    assert_eq!(extents(&drain(&mut link, now)), [(1124, 176)]);
}

#[test]
fn a_hole_that_is_named_sooner_than_a_round_trip_after_it_was_sent_is_left_alone() {
    let mut link = measured();
    send(&mut link, later(0), 100..101);
    let missing = naming(&[(100, 100)], ack(0, 100));
    link.handle_segment(later(150), &missing).unwrap();
    assert_eq!(drain(&mut link, later(150)), [], "it is under way");
}

#[test]
fn who_has_heard_nothing_yet_shows_the_loss_of_the_first_flight_too() {
    let mut link = link();
    send(&mut link, ms(0), 0..1);
    let unknowing = Segment {
        peer: 0,
        ..delta(0, &[7], 0)
    };
    link.handle_segment(ms(251), &unknowing).unwrap();
    assert_eq!(gist(&drain(&mut link, ms(251))), [(0, &[0][..], 1)]);
}

#[test]
fn what_is_named_twice_in_a_round_trip_is_sent_again_once() {
    let mut link = measured();
    send(&mut link, later(0), 100..102);
    let missing = naming(&[(100, 100)], ack(0, 100));
    link.handle_segment(later(200), &missing).unwrap();
    assert_eq!(drain(&mut link, later(200)).len(), 1);
    link.handle_segment(later(300), &missing).unwrap();
    assert_eq!(drain(&mut link, later(300)), []);
    link.handle_segment(later(400), &missing).unwrap();
    assert_eq!(drain(&mut link, later(400)).len(), 1);
}

#[test]
fn a_segment_that_should_acknowledge_the_first_flight_and_does_not_shows_its_loss() {
    let mut link = measured();
    send(&mut link, later(0), 100..101);
    send(&mut link, later(100), 101..102);
    link.handle_segment(later(210), &delta(0, &[1], 100))
        .unwrap();
    assert_eq!(
        drain(&mut link, later(210)),
        [],
        "it may still be under way"
    );
    link.handle_segment(later(211), &delta(1, &[2], 100))
        .unwrap();
    assert_eq!(gist(&drain(&mut link, later(211))), [(100, &[100][..], 2)]);
}

#[test]
fn a_second_try_that_is_not_acknowledged_either_is_followed_by_a_third() {
    let mut link = measured();
    send(&mut link, later(0), 100..101);
    for (now, again) in [(210, 0), (211, 1), (421, 0), (422, 1)] {
        link.handle_segment(later(now), &ack(0, 100)).unwrap();
        assert_eq!(drain(&mut link, later(now)).len(), again, "at {now} ms");
    }
}

#[test]
fn a_late_ack_of_the_first_transmission_counts_after_a_retransmission() {
    let mut link = link();
    let all = MAX_ITEMS as u32 + 5;
    send(&mut link, ms(0), 0..all);
    let timeout = link.poll_timeout().unwrap();
    assert_eq!(extents(&drain(&mut link, timeout)), [(0, MAX_ITEMS)]);
    link.handle_segment(timeout, &ack(0, u64::from(all)))
        .unwrap();
    assert!(link.is_quiet() && !link.is_suspect());
}

// The timeout, suspects, probes.

#[test]
fn without_an_answer_for_the_longest_round_trip_and_the_ack_delay_a_link_is_suspect() {
    let mut link = measured();
    send(&mut link, later(0), 100..102);
    assert_eq!(link.poll_timeout(), Some(later(1210)));
    assert_eq!(drain(&mut link, later(1209)), []);
    assert!(!link.is_suspect());
    let sent = drain(&mut link, later(1210));
    assert_eq!(gist(&sent), [(100, &[100, 101][..], 0)]);
    assert!(sent[0].probe && link.is_suspect());
}

#[test]
fn before_the_first_sample_the_round_trip_is_taken_for_a_second() {
    let mut link = link();
    send(&mut link, ms(0), 0..1);
    assert_eq!(link.poll_timeout(), Some(ms(1000 + 250 + 1000)));
}

#[test]
fn an_ack_of_something_new_starts_the_retransmission_timer_afresh() {
    let mut link = measured();
    send(&mut link, later(0), 100..102);
    link.handle_segment(later(200), &ack(0, 101)).unwrap();
    assert_eq!(link.poll_timeout(), Some(later(200 + 1210)));
    link.handle_segment(later(300), &ack(0, 102)).unwrap();
    assert_eq!(link.poll_timeout(), None, "all is acknowledged");
}

#[test]
fn on_a_suspect_link_only_probes_go_out_and_what_waits_rides_along() {
    let mut link = measured();
    send(&mut link, later(0), 100..101);
    drain(&mut link, later(1210));
    assert_eq!(send(&mut link, later(1300), 101..102), []);
    let next = link.poll_timeout().unwrap();
    let sent = drain(&mut link, next);
    assert_eq!(gist(&sent), [(100, &[100, 101][..], 0)]);
    assert!(sent[0].probe);
}

#[test]
fn tries_back_off_to_the_cap_and_never_end() {
    let mut link = measured();
    send(&mut link, later(0), 100..101);
    let mut last = later(0);
    for pause in [1210, 2420].into_iter().chain([3000; 200]) {
        let next = link.poll_timeout().expect("it never gives up");
        assert_eq!(next - last, Duration::from_millis(pause));
        assert_eq!(drain(&mut link, next).len(), 1);
        last = next;
    }
    assert!(link.is_suspect());
}

#[test]
fn an_ack_of_something_new_makes_a_suspect_link_healthy_and_everything_follows() {
    let count = MAX_ITEMS as u32 * 3;
    let mut link = link();
    send(&mut link, ms(0), 0..count);
    link.push(count);
    let timeout = link.poll_timeout().unwrap();
    drain(&mut link, timeout);
    let now = timeout + Duration::from_millis(200);
    let news = link.handle_segment(now, &ack(0, MAX_ITEMS as u64)).unwrap();
    assert!(news.healthy && !link.is_suspect());
    let offset = |index| (MAX_ITEMS * index) as u64;
    let rest = extents(&drain(&mut link, now));
    assert_eq!(
        rest,
        [
            (offset(1), MAX_ITEMS),
            (offset(2), MAX_ITEMS),
            (offset(3), 1)
        ]
    );
}

#[test]
fn an_ack_of_nothing_new_leaves_a_suspect_link_suspect() {
    let mut link = measured();
    send(&mut link, later(0), 100..101);
    drain(&mut link, later(1210));
    let news = link.handle_segment(later(1300), &ack(0, 100)).unwrap();
    assert!(
        !news.healthy && link.is_suspect(),
        "the cut may have one direction only"
    );
}

#[test]
fn a_sign_of_life_makes_a_suspect_link_probe_now_but_once_in_a_round_trip() {
    let mut link = measured();
    send(&mut link, later(0), 100..101);
    link.probe(later(100));
    assert_eq!(
        drain(&mut link, later(100)),
        [],
        "a healthy link has nothing to probe"
    );
    drain(&mut link, later(1210));
    link.handle_segment(later(1500), &ack(0, 100)).unwrap();
    assert!(drain(&mut link, later(1500))[0].probe);
    link.probe(later(1510));
    assert_eq!(drain(&mut link, later(1510)), []);
    assert_eq!(
        link.poll_timeout(),
        Some(later(1710)),
        "then as soon as it may"
    );
    assert!(drain(&mut link, later(1710))[0].probe);
}

#[test]
fn a_probe_is_answered_at_once() {
    let mut link = link();
    link.handle_segment(ms(0), &probing(delta(0, &[9], 0)))
        .unwrap();
    let sent = drain(&mut link, ms(0));
    assert_eq!(gist(&sent), [(0, &[][..], 1)]);
    assert!(!sent[0].probe, "or it would never end");
}

#[test]
fn a_link_where_all_is_said_has_no_timer() {
    let link = measured();
    assert_eq!(link.poll_timeout(), None);
    assert!(link.is_quiet());
}

// The round trip.

#[test]
fn items_show_the_clock_and_an_ack_alone_does_not() {
    let mut link = link();
    let sent = send(&mut link, ms(7), 0..1);
    assert_eq!((sent[0].ts, sent[0].echo), (Some(7000), None));
    link.handle_segment(ms(8), &probing(stamped(42, delta(0, &[9], 1))))
        .unwrap();
    let sent = drain(&mut link, ms(8));
    assert_eq!((sent[0].ts, sent[0].echo), (None, Some(42)));
}

#[test]
fn the_timestamp_of_what_came_last_is_sent_back_once_and_held_counts_from_there() {
    let mut link = link();
    for (now, ts, offset) in [(0, 900, 2), (20, 100, 0)] {
        let late = stamped(ts, delta(offset, &[1], 0));
        link.handle_segment(ms(now), &late).unwrap();
    }
    let sent = send(&mut link, ms(30), 0..1);
    assert_eq!(
        (sent[0].echo, sent[0].held),
        (Some(100), 10),
        "the highest one would be a quick one's"
    );
    assert_eq!(send(&mut link, ms(40), 1..2)[0].echo, None);
}

#[test]
fn what_is_sent_again_has_a_timestamp_of_its_own_and_its_ack_tells_as_much() {
    let mut link = link();
    send(&mut link, ms(0), 0..1);
    let again = drain(&mut link, ms(2250));
    assert_eq!(again[0].ts, Some(2_250_000));
    link.handle_segment(ms(2450), &echoing(ms(2250), ack(0, 1)))
        .unwrap();
    assert_eq!(link.round_trip().smoothed(), Duration::from_millis(200));
}

#[test]
fn a_first_answer_that_ends_a_long_silence_measures_nothing() {
    let mut link = link();
    send(&mut link, ms(0), 0..1);
    drain(&mut link, ms(2250));
    link.handle_segment(ms(2300), &echoing(ms(0), ack(0, 1)))
        .unwrap();
    assert!(!link.is_suspect() && !link.round_trip().is_measured());
}

#[test]
fn held_is_subtracted_from_the_sample() {
    let mut link = link();
    send(&mut link, ms(0), 0..1);
    link.handle_segment(ms(900), &held(700, echoing(ms(0), ack(0, 1))))
        .unwrap();
    assert_eq!(link.round_trip().smoothed(), Duration::from_millis(200));
}

#[test]
fn an_echo_that_cannot_be_right_measures_nothing() {
    let now = later(300);
    let mut link = measured();
    let before = link.round_trip().clone();
    let former_life = Segment {
        peer: EPOCH - 1,
        ..echoing(later(0), ack(0, 100))
    };
    for wrong in [
        former_life,
        echoing(later(301), ack(0, 100)),
        echoing(Instant::from_micros(u64::MAX), ack(0, 100)),
        held(301, echoing(later(0), ack(0, 100))),
        held(u64::MAX, echoing(later(0), ack(0, 100))),
        held(u64::MAX, ack(0, 100)),
    ] {
        link.handle_segment(now, &wrong).unwrap();
        assert_eq!(*link.round_trip(), before, "{wrong:?}");
    }
}

#[test]
fn a_timestamp_of_a_former_life_is_not_sent_back_to_the_next_one() {
    let mut link = measured();
    link.handle_segment(later(0), &stamped(42, delta(0, &[1], 100)))
        .unwrap();
    link.handle_segment(later(0), &reborn(EPOCH, sync(0, 0)))
        .unwrap();
    link.supply(ms(0), [7]);
    let sent = all(&mut link, later(9));
    assert!(
        sent.iter().all(|segment| segment.echo.is_none()),
        "{sent:?}"
    );
}

#[test]
fn before_anything_is_measured_what_seems_lost_is_sent_again_soon_but_only_once_so_soon() {
    let mut link = link();
    send(&mut link, ms(0), 0..1);
    for (now, again) in [(250, 0), (251, 1), (1501, 0), (1502, 1)] {
        link.handle_segment(ms(now), &ack(0, 0)).unwrap();
        assert_eq!(drain(&mut link, ms(now)).len(), again, "at {now} ms");
    }
}

// Incarnations.

#[test]
fn the_first_contact_with_whoever_is_there_is_believed() {
    let mut link = link();
    let first = Segment {
        peer: 0,
        ..delta(0, &[7], 0)
    };
    let news = link.handle_segment(ms(0), &first).unwrap();
    assert_eq!(news, News::default());
    assert_eq!((link.received(), link.epochs()), (1, (EPOCH, PEER)));
}

#[test]
fn acks_and_holes_for_a_former_life_count_nothing_but_the_values_are_welcome() {
    let mut link = measured();
    send(&mut link, later(0), 100..103);
    let past = naming(&[(101, 101)], delta(0, &[7], 102));
    let past = Segment {
        peer: EPOCH - 1,
        ..past
    };
    let news = link.handle_segment(later(200), &past).unwrap();
    assert!(news.former_life && !news.restarted);
    assert_eq!((link.una, link.received()), (100, 1));
    let sent = drain(&mut link, later(200));
    assert_eq!(
        (sent.len(), sent[0].epoch, sent[0].peer),
        (1, EPOCH, PEER),
        "who is here now"
    );
    assert_eq!(sent[0].items, []);
}

#[test]
fn who_was_known_in_a_former_life_asks_for_a_digest() {
    let mut link = link();
    let past = Segment {
        peer: EPOCH - 1,
        ..delta(812, &[7], 5)
    };
    let news = link.handle_segment(ms(0), &past).unwrap();
    assert!(news.former_life && link.wants_digest());
    assert!(!link.push(9), "the digest will show whether it is lacking");
    let sent = all(&mut link, ms(0));
    let asks = &sent[0];
    assert_eq!((asks.epoch, asks.peer), (EPOCH, PEER));
    assert_eq!((asks.digest, asks.probe, asks.end), (true, true, None));
}

#[test]
fn a_restart_of_the_neighbour_drops_the_queue_and_asks_what_is_lacking() {
    let mut link = measured();
    send(&mut link, later(0), 100..103);
    let news = link.handle_segment(later(200), &reborn(0, delta(0, &[7], 0)));
    assert!(news.unwrap().restarted);
    assert_eq!(
        (link.unacked(), link.received(), link.epochs().1),
        (0, 1, PEER + 1)
    );
    let asks = digest(&mut link, later(200));
    let begins = "and says where its stream begins now";
    assert_eq!((asks.una, asks.ack, asks.probe), (103, 1, true), "{begins}");

    let answer = reborn(EPOCH, sync(1, 103));
    let news = link.handle_segment(later(300), &answer).unwrap();
    assert!(link.wants_digest() && !news.restarted);
    link.supply(later(300), [100, 7000]);
    assert!(!link.wants_digest());
    assert_eq!(
        gist(&drain(&mut link, later(400))),
        [(103, &[100, 7000][..], 1)]
    );
}

#[test]
fn voices_of_the_former_life_are_answered_once_and_change_nothing_else() {
    let mut link = measured();
    link.handle_segment(later(0), &reborn(0, sync(0, 0)))
        .unwrap();
    all(&mut link, later(0));
    let mut before = link.clone();
    let past = LinkError::FromThePast {
        epoch: PEER,
        peer: PEER + 1,
    };
    assert_eq!(
        link.handle_segment(later(0), &delta(0, &[1], 100)),
        Err(past.clone())
    );
    assert_eq!(link.handle_segment(later(0), &sync(9, 0)), Err(past));
    let answers = drain(&mut link, later(0));
    assert_eq!(gist(&answers), [(100, &[][..], 0)]);
    assert_eq!(answers[0].peer, PEER + 1, "it tells who is known");
    before.stats.acks += 1;
    assert_eq!(link, before);
}

#[test]
fn whoever_is_named_with_a_later_epoch_goes_on_above_it_and_two_lives_differ() {
    assert_eq!(raised(7, 7), None);
    assert_eq!(raised(7, 3), None);
    assert_eq!(raised(7, 8), Some(16));
    assert_ne!(raised(6, 8), raised(7, 8), "of two lives each has its own");
    assert_eq!(raised(7, MAX_EPOCH - 8), Some(MAX_EPOCH));
    assert_eq!(raised(7, MAX_EPOCH - 7), None, "there is none above that");
    assert_eq!(raised(7, u64::MAX), None);
}

#[test]
fn a_link_that_begins_anew_keeps_what_was_measured_and_nothing_of_its_streams() {
    let mut old = measured();
    send(&mut old, later(0), 0..3);
    let (trip, stats) = (old.trip.clone(), old.stats);
    old.restart(EPOCH + 1);
    let mut new: Link<u32> = Link::new(EPOCH + 1, ACK_DELAY);
    (new.trip, new.stats) = (trip, stats);
    assert_eq!(old, new);
}

#[test]
fn a_stream_that_began_for_a_former_life_goes_on_where_the_sync_says() {
    let mut link = link();
    link.handle_segment(ms(0), &sync(812, 0)).unwrap();
    assert_eq!(link.received(), 812);
    link.handle_segment(ms(0), &delta(812, &[1, 2], 0)).unwrap();
    assert_eq!(
        (link.received(), link.poll_timeout()),
        (814, Some(ms(1000))),
        "no hole"
    );
}

#[test]
fn whoever_asks_uses_up_the_numbers_that_were_sent_and_no_others() {
    let mut link = link();
    send(&mut link, ms(0), 0..WINDOW as u32 + 10);
    link.ask_what();
    link.handle_segment(ms(200), &probing(delta(0, &[7], 5)))
        .unwrap();
    link.handle_timeout(ms(200));
    let ack = link.poll_transmit(ms(200), false);
    let ack = ack.expect("an answer to the probe");
    let within = "a neighbour that has 5 of them would refuse more than the window";
    assert_eq!((ack.offset, ack.ack), (WINDOW, 1), "{within}");
}

#[test]
fn news_do_not_wait_for_the_answer_how_far_but_for_that_what_is_lacking() {
    let mut link = link();
    link.ask_how_far();
    assert!(digest(&mut link, ms(0)).probe);
    let news = send(&mut link, ms(50), 7..8);
    assert_eq!(gist(&news), [(0, &[7][..], 0)]);
    let timeout = INITIAL + link.trip.spread();
    let waits = "a digest is answered at once";
    assert_eq!(link.poll_timeout(), Some(ms(0) + timeout), "{waits}");
    link.ask_what();
    assert!(!link.push(8), "the digest will show whether it is there");
}

#[test]
fn how_far_stays_asked_until_the_end_is_told() {
    let mut link = link();
    link.ask_how_far();
    let first = digest(&mut link, ms(0));
    assert_eq!((first.end, first.probe), (Some(0), true));
    // The neighbour itself does not know yet.
    link.handle_segment(ms(200), &sync(0, 0)).unwrap();
    assert!(!link.wants_digest(), "what it holds was not asked");
    assert!(digest(&mut link, ms(1250)).probe && link.is_suspect());
    let news = link
        .handle_segment(ms(1400), &promising(0, sync(0, 0)))
        .unwrap();
    assert!(news.healthy && link.is_level() && link.is_quiet());
}

#[test]
fn who_was_asked_already_or_has_promised_is_not_asked_once_more() {
    let mut link = link();
    link.ask_how_far();
    digest(&mut link, ms(0));
    link.ask_how_far();
    assert_eq!(all(&mut link, ms(100)), [], "the link does it in time");
    link.handle_segment(ms(200), &promising(1, sync(0, 0)))
        .unwrap();
    link.ask_how_far();
    assert_eq!(all(&mut link, ms(200)), [], "what was promised counts");
    link.handle_segment(ms(300), &delta(0, &[7], 0)).unwrap();
    link.ask_how_far();
    assert!(digest(&mut link, ms(300)).probe, "there may be more now");
}

#[test]
fn who_was_told_what_the_neighbour_holds_still_asks_how_far() {
    let mut link = link();
    link.ask_what();
    assert_eq!(digest(&mut link, ms(0)).end, None);
    link.handle_segment(ms(200), &sync(0, 0)).unwrap();
    link.supply(ms(0), [7]);
    assert_eq!(gist(&drain(&mut link, ms(200))), [(0, &[7][..], 0)]);
    let again = digest(&mut link, ms(1250));
    assert_eq!((again.end, again.probe), (Some(1), true));
}

#[test]
fn a_promise_that_is_not_kept_makes_a_link_suspect_until_it_is_given_again_and_kept() {
    let mut link = link();
    link.ask_what();
    digest(&mut link, ms(0));
    link.handle_segment(ms(200), &promising(2, sync(0, 0)))
        .unwrap();
    link.supply(ms(200), []);
    let due = link.poll_timeout().expect("it waits for what was promised");
    let again = digest(&mut link, due);
    assert!(again.probe && again.end.is_some() && link.is_suspect());
    let after = |millis| due + Duration::from_millis(millis);
    link.handle_segment(after(50), &ack(2, 0)).unwrap();
    link.handle_segment(after(60), &delta(0, &[1, 2], 0))
        .unwrap();
    assert!(link.is_suspect(), "it may have been an old promise");
    let news = link.handle_segment(after(200), &promising(2, sync(2, 0)));
    assert!(news.unwrap().healthy && link.is_level());
    drain(&mut link, after(2000));
    assert!(link.is_quiet());
}

#[test]
fn a_promise_is_kept_too_by_what_was_sent_before_this_life_was_known() {
    let mut link = link();
    link.ask_how_far();
    digest(&mut link, ms(0));
    link.handle_segment(ms(200), &promising(1, sync(0, 0)))
        .unwrap();
    let unknowing = Segment {
        peer: 0,
        ..delta(0, &[7], 0)
    };
    link.handle_segment(ms(300), &unknowing).unwrap();
    assert_eq!(gist(&drain(&mut link, ms(1300))), [(0, &[][..], 1)]);
    assert!(link.is_quiet() && !link.is_suspect(), "nothing is awaited");
}

#[test]
fn an_ack_can_be_elicited_before_the_batch_departs() {
    let mut link = link();
    assert!(link.push(7));
    link.elicit_ack();
    let first = drain(&mut link, ms(0));
    assert_eq!(
        (gist(&first), first[0].probe),
        (vec![(0, &[7][..], 0)], true)
    );
    assert!(link.push(8));
    assert_eq!(drain(&mut link, ms(10)), [], "its batch has not departed");
    assert!(!link.is_suspect());
    link.handle_segment(ms(20), &echoing(ms(0), ack(0, 1)))
        .unwrap();
    assert_eq!(link.trip.smoothed(), Duration::from_millis(20));
}

#[test]
fn a_digest_that_is_lost_is_shown_once_more_and_then_when_somebody_is_there() {
    let mut link = link();
    link.ask_what();
    digest(&mut link, ms(0));
    let mut next = link.poll_timeout().expect("it waits for an answer");
    digest(&mut link, next);
    for _ in 0..20 {
        next = link.poll_timeout().expect("it never gives up");
        let asks = drain(&mut link, next);
        assert_eq!(gist(&asks), [(0, &[][..], 0)]);
        assert!(asks[0].probe);
    }
    link.handle_segment(next, &ack(0, 0)).unwrap();
    assert_eq!(
        gist(&drain(&mut link, next)),
        [],
        "it may not have heard the question"
    );
    link.handle_segment(next, &echoing(next, ack(0, 0)))
        .unwrap();
    digest(&mut link, next);
}

#[test]
fn who_is_sought_is_shown_no_digest_before_it_answers() {
    let mut link = link();
    link.seek();
    let asks = drain(&mut link, ms(0));
    assert!(asks.len() == 1 && asks[0].probe, "{asks:?}");
    link.handle_segment(ms(200), &echoing(ms(0), ack(0, 0)))
        .unwrap();
    assert!(digest(&mut link, ms(200)).probe);
}

#[test]
fn before_a_measure_one_timeout_makes_silent_only_whom_others_miss_too() {
    for is_missed in [false, true] {
        let mut link = link();
        send(&mut link, ms(0), 0..1);
        if is_missed {
            link.ping();
            drain(&mut link, ms(0));
        }
        let due = link.poll_timeout().expect("an ack is awaited");
        all(&mut link, due);
        assert!(link.is_suspect());
        assert_eq!(link.is_silent(), is_missed);
    }
}

#[test]
fn a_first_sample_that_was_taken_by_a_node_that_slept_is_not_believed() {
    let mut link = link();
    send(&mut link, ms(0), 0..1);
    let due = link.poll_timeout().expect("an ack is awaited");
    let woken = due + Duration::from_secs(3);
    link.handle_segment(woken, &echoing(ms(0), ack(0, 1)))
        .unwrap();
    assert!(!link.round_trip().is_measured());
}

#[test]
fn a_hub_that_talks_and_hears_nobody_is_not_taken_for_there() {
    let mut link = measured();
    link.ping();
    let asks = drain(&mut link, later(0));
    assert!(asks.len() == 1 && asks[0].probe && asks[0].ts.is_some());
    let before = echoing(ms(99_950), delta(0, &[7], 100));
    link.handle_segment(later(100), &before).unwrap();
    let due = later(100) + link.round_trip().longest();
    all(&mut link, due);
    assert!(link.is_silent(), "that was sent before the question");
    link.handle_segment(due, &echoing(due, ack(0, 100)))
        .unwrap();
    assert!(!link.is_silent());
}

#[test]
fn a_closed_link_acknowledges_and_says_nothing_else_whatever_it_had_to_say() {
    let mut link = measured();
    send(&mut link, later(0), 100..103);
    link.handle_segment(later(100), &delta(5, &[7], 100))
        .unwrap();
    link.close();
    let last = drain(&mut link, later(5000));
    assert_eq!(gist(&last), [(103, &[][..], 0)]);
    assert_eq!(last[0].missing, [], "what it lacks will be asked by digest");
    assert!(link.is_quiet(), "{link:?}");
    link.handle_segment(later(5000), &probing(ack(0, 100)))
        .unwrap();
    link.close();
    let answers = drain(&mut link, later(5000));
    assert_eq!((answers.len(), answers[0].items.len()), (1, 0));
    assert_eq!(answers[0].missing, []);
}

#[test]
fn a_suspect_link_forgets_what_waits_if_it_is_more_than_one_probe_carries() {
    let mut link = measured();
    send(&mut link, later(0), 0..1);
    let due = link.poll_timeout().expect("an ack is awaited");
    all(&mut link, due);
    assert!(link.is_suspect());
    for item in 0..5 * MAX_ITEMS as u32 {
        link.push(item);
        assert!(link.unacked() <= MAX_ITEMS);
    }
    assert_eq!(link.unacked(), 0, "its digest will tell what it lacks");
    let tries = drain(&mut link, due);
    assert!(tries[0].probe && tries[0].items.is_empty());
    let next = link.poll_timeout().expect("it is tried again");
    link.handle_segment(next, &echoing(next, ack(0, 101)))
        .unwrap();
    digest(&mut link, next);
}

#[test]
fn a_sync_that_does_not_ask_is_not_answered() {
    let mut link = measured();
    link.handle_segment(later(0), &sync(0, 100)).unwrap();
    assert_eq!(all(&mut link, later(0)), []);
    let asks = probing(sync(0, 100));
    link.handle_segment(later(0), &asks).unwrap();
    let answer = digest(&mut link, later(0));
    assert_eq!((answer.end, answer.probe), (Some(100), false));
}

#[test]
fn two_that_ask_each_other_at_the_same_time_come_to_an_end() {
    let mut links = [Link::<u32>::new(5, ACK_DELAY), Link::new(6, ACK_DELAY)];
    links.iter_mut().for_each(Link::ask_what);
    let mut count = 0;
    loop {
        let sent = [0, 1].map(|end| all(&mut links[end], ms(0)));
        if sent.iter().all(Vec::is_empty) {
            break;
        }
        for (end, sent) in sent.into_iter().enumerate() {
            for segment in sent {
                assert!(segment.digest, "{segment:?}");
                links[1 - end].handle_segment(ms(0), &segment).unwrap();
                if links[1 - end].wants_digest() {
                    links[1 - end].supply(ms(0), []);
                }
                count += 1;
            }
        }
        assert!(count < 10, "they would ask for ever");
    }
    assert!(links.iter().all(|link| link.is_quiet() && link.is_level()));
}

#[test]
fn who_catches_up_is_level_when_all_has_come_that_was_lacking() {
    let mut link = link();
    link.ask_how_far();
    digest(&mut link, ms(0));
    let promise = promising(814, sync(812, 0));
    link.handle_segment(ms(5), &promise).unwrap();
    assert!(!link.is_level());
    link.handle_segment(ms(9), &delta(812, &[1], 0)).unwrap();
    assert!(!link.is_level());
    link.handle_segment(ms(9), &delta(813, &[2], 0)).unwrap();
    assert!(link.is_level());
}

// What cannot be right.

#[test]
fn what_cannot_be_right_is_refused_and_changes_nothing() {
    let mut link = link();
    send(&mut link, ms(0), 0..2);
    link.handle_segment(ms(5), &delta(0, &[4], 1)).unwrap();
    let before = link.clone();
    let mut refuses = |segment: Segment<u32>, why: &str| match link.handle_segment(ms(10), &segment)
    {
        Err(LinkError::Wrong(text)) => assert!(text.starts_with(why), "{text}"),
        other => panic!("{segment:?}: {other:?}"),
    };
    refuses(ack(1, 3), "ack 3 of a stream that has been sent below 2");
    let far = WINDOW + 2;
    let ahead = format!("items from offset {} up to {far}, where 0", far - 1);
    refuses(delta(far - 1, &[1], 1), &ahead);
    let behind = from_una(5, delta(4, &[1, 2], 1));
    refuses(behind, "items from offset 4 up to 6, where 5");
    refuses(delta(u64::MAX, &[1], 1), "items from"); // No overflow.
    assert_eq!(link, before);
}

#[test]
fn what_is_written_is_read_and_una_is_left_out_where_it_is_the_offset() {
    for (una, told) in [(3, true), (5, false)] {
        let segment = from_una(una, naming(&[(1, 2)], stamped(42, delta(5, &[7], 9))));
        let mut line = Vec::new();
        json::object(&mut line, |body| segment.write(body));
        let text = String::from_utf8_lossy(&line);
        assert_eq!(text.contains("una"), told, "{text}");
        let body = Json::parse(&line).unwrap();
        let read = Segment::read("delta", crate::message::Fields(&body));
        assert_eq!(read, Ok(segment));
    }
}

#[test]
fn heavy_items_go_in_several_segments_the_first_time_and_when_they_are_lost() {
    let mut link = measured();
    let start = link.end();
    for item in [1_000_000, 1_000_000, 5, 3_000_000, 7] {
        link.push(item);
    }
    link.release();
    let now = ms(200_000);
    let parts = [(start, 2), (start + 2, 2), (start + 4, 1)];
    assert_eq!(extents(&drain(&mut link, now)), parts);
    let later = now + Duration::from_secs(1);
    let missing = naming(&[(start, start + 4)], ack(0, start));
    link.handle_segment(later, &missing).expect("an ack");
    assert_eq!(extents(&drain(&mut link, later)), parts);
}

#[test]
fn what_waited_together_while_this_node_was_stopped_is_one_sample_or_none_if_a_timer_slept() {
    let before = measured();
    let mut once = before.trip.clone();
    once.sample(Duration::from_millis(900), false);
    for (woken, trip) in [(900, &once), (9000, &before.trip)] {
        let mut link = before.clone();
        for item in 0..20u32 {
            send(&mut link, later(u64::from(item)), 100 + item..101 + item);
        }
        // It finds 20 answers when it goes on.
        for item in 0..20u32 {
            let answer = ack(0, 101 + u64::from(item));
            let sent = later(u64::from(item));
            link.handle_segment(later(woken), &echoing(sent, answer))
                .unwrap();
        }
        assert_eq!(link.trip.longest(), trip.longest(), "{woken} ms");
    }
}
