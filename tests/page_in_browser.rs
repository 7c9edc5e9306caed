//! The report page in a real browser: `./run.sh test-page`.
//!
//! It makes fresh pages with virtual runs, opens them in a headless Chromium and
//! does what a person would do. It plays, scrubs, steps, and picks a value, a
//! message and a node. It does so in light and in dark, in a wide and in a narrow
//! window. It needs a browser, so it is none of the tests that run by default.
//!
//! The browser is asked over a pipe (`--remote-debugging-pipe`): JSON both ways, a
//! zero byte behind each message. No port, no handshake, and when the pipe closes,
//! however this process ended, the browser ends with all its helpers.
//!
//! ```text
//! test                                             chromium
//!  |--- {"id":1,"method":"Runtime.evaluate",...} 0 -->|  descriptor 3
//!  |<-- {"method":"Runtime.exceptionThrown",...} 0 ---|  descriptor 4; an event: noted
//!  |<-- {"id":1,"result":{...}} 0 --------------------|
//! ```

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use hubcast::json::{self, Json};

/// Where pages and screenshots go.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/runs/test-page");

/// Starts the first browser there is; the pipe's two ends become its descriptors 3 and 4.
const START: &str = r#"
browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser ||
    command -v google-chrome || command -v google-chrome-stable || command -v chrome)}
: "${browser:?"needs a Chromium browser (Debian's package chromium) on the PATH or in CHROMIUM"}"
exec "$browser" "$@" 3<&0 4>&1 </dev/null >/dev/null"#;

/// Without a sandbox, because containers and root have none and the page is our
/// own; without whatever would call home.
const ARGUMENTS: &str = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync \
    --hide-scrollbars --remote-debugging-pipe";

/// How long the browser may take to start, and to answer. Unit: time. A busy
/// machine with a cold disk needs some seconds for the first.
const PATIENCE: Duration = Duration::from_secs(40);

/// The largest page that passes. Unit: megabytes. Beyond it a browser makes people wait.
const MAX_PAGE: f64 = 5.0;

/// The latest first paint that passes. Unit: milliseconds. Later feels slow.
const MAX_FIRST_PAINT: f64 = 1000.0;

/// The least pictures a second that pass while playing. The aim is the browser's
/// 60; on a shared machine without a graphics card half of it will do.
const LEAST_FRAMES: f64 = 30.0;

/// How often a playing page is looked at until it moves smoothly. Unit: looks of two
/// seconds. What else the machine does slows some of them; a slow page fails all.
const LOOKS: usize = 5;

/// A window on a desk.
const WIDE: &str = r#"{"width":1280,"height":900,"deviceScaleFactor":1,"mobile":false}"#;

/// The screens of a talk.
const SCREENS: [(u32, u32); 2] = [(1280, 800), (1920, 1080)];

/// A telephone, with its two dots a pixel.
const NARROW: &str = r#"{"width":390,"height":844,"deviceScaleFactor":2,"mobile":true}"#;

/// What the expressions below may use. `drawn` waits for two frames: one to draw
/// what was changed, one to be sure. `watch` looks on for two seconds.
const HELPERS: &str = r"
const $ = id => document.getElementById(id);
const all = selector => [...document.querySelectorAll(selector)];
const sleep = ms => new Promise(done => setTimeout(done, ms));
const frame = () => new Promise(done => requestAnimationFrame(done));
const drawn = () => frame().then(frame);
const until = async test => { while (!test()) await sleep(20); return test(); };
const choose = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event('change')); };
const watch = async () => {
  const {frames, time} = hubcast, start = performance.now();
  await sleep(2000);
  const seconds = (performance.now() - start) / 1000;
  window.seen = {frames: (hubcast.frames - frames) / seconds,
    speed: (hubcast.time - time) / 1e6 / seconds};
};";

#[test]
#[ignore = "needs a browser: ./run.sh test-page"]
fn the_report_page_does_what_a_person_expects() {
    let _ = fs::remove_dir_all(FOLDER);
    fs::create_dir_all(FOLDER).expect("a folder for pages and screenshots");
    let mut page = Page::start();
    page.eval("console.error('heard')");
    page.check("the console is heard", page.problems.len() == 1, "");

    page.open("efficient", "efficient --virtual --seed 1");
    page.shot("efficient-light");
    playing(&mut page);
    stepping(&mut page);
    links_to_a_moment(&mut page);
    batches(&mut page);
    charts_by_keyboard(&mut page);
    picking_a_value(&mut page);
    picking_a_message(&mut page);
    picking_a_node(&mut page);
    reading_without_eyes(&mut page);
    dark_and_still(&mut page);
    narrow(&mut page, "efficient");

    page.open("partition", "partition --virtual --seed 1");
    the_replay_first(&mut page);
    a_cut_network(&mut page);
    let (lanes, from) = (9, "hubcast.cuts[0][0] + 1750000");
    a_talk(&mut page, "partition", lanes, from, "$('next')");
    page.call("Emulation.setDeviceMetricsOverride", WIDE);
    beliefs(&mut page);
    contrast(&mut page, "light");
    contrast(&mut page, "dark");
    narrow(&mut page, "partition");

    page.open(
        "timetable",
        "efficient --virtual --seed 1 -- --within-ms 1700",
    );
    slots_and_waiting_values(&mut page);
    narrow(&mut page, "timetable");

    page.open("kafka", "workload kafka --virtual --seed 1");
    records(&mut page);
    narrow(&mut page, "kafka");

    page.open("crash", "crash --virtual --seed 1 --loss 0.01");
    restarts(&mut page);
    fates(&mut page);

    let short = "--node-count 5 --latency 20 --quiet 2";
    let run = "partition --time-limit 9 --seed 3 --nemesis-interval 4";
    page.open("real", &format!("{run} {short}"));
    real_nodes(&mut page);

    let flood = env!("CARGO_BIN_EXE_flood");
    let run = "efficient --virtual --time-limit 3 --topology line --bin";
    page.open("flood", &format!("{run} {flood} {short}"));
    another_node(&mut page);

    page.open("long", "efficient --virtual --seed 1 --time-limit 65");
    ten_thousand_messages(&mut page);

    page.open("hubs", "partition --virtual --node-count 60 --seed 2");
    page.shot("hubs-light");
    narrow(&mut page, "hubs");

    page.open("story", "trace");
    a_story(&mut page);
    moments_of_a_story(&mut page);
    a_talk(&mut page, "story", 5, "0", "$('step')");
    words_of_the_author(&mut page);
    narrow(&mut page, "story");

    page.open("dead-hub", "trace ../../../../tests/stories/dead-hub.story");
    a_dead_hub(&mut page);

    let (checks, failed) = (page.checks, page.failed);
    println!("\n{checks} checks; screenshots: target/runs/test-page/*.png");
    assert!(failed == 0, "{failed} of {checks} checks failed");
}

fn playing(page: &mut Page) {
    page.eval("choose('speed', '1')");
    page.click("play");
    page.holds("play plays", "hubcast.playing");
    page.moves_smoothly("it moves smoothly");
    let speed = page.number("seen.speed");
    page.within("the chosen speed is kept", speed, 0.5..1.1, "s a second");
    page.click("play");
    page.holds("pause pauses", "!hubcast.playing");
}

fn stepping(page: &mut Page) {
    page.click("scrub");
    page.holds(
        "a click in the middle of the timeline goes there",
        "Math.abs(hubcast.time / hubcast.end - .5) < .02 || hubcast.time / hubcast.end",
    );
    page.eval("document.activeElement.blur()");
    page.seek("5e6");
    page.eval("window.before = $('event').textContent");
    page.key(".");
    page.holds(
        "the full stop steps to the next message or request",
        "$('event').textContent !== before",
    );
    page.holds("and shows it", "!!$('json')");
    page.click("back");
    page.holds(
        "the button steps back",
        "$('event').textContent === before || [before, $('event').textContent]",
    );
    page.key("ArrowRight");
    page.holds(
        "the right arrow goes to the next decision, here the hub's departure",
        "const next = hubcast.departures.find(batch => batch.end > 5e6);
         hubcast.time === next.end && $('event').textContent.includes('batch departs: ' + next.count)
           || [next.end, hubcast.time, $('event').textContent]",
    );
    page.eval("hubcast.seek(5e6); for (let k = 0; k < 10; k++) $('next').click(); drawn()");
    page.holds(
        "ten decisions take more than a second of the run, not 147 steps 0.3 s",
        "hubcast.time > 6e6 || hubcast.time",
    );
    page.eval("window.there = hubcast.time; $('next').click(); $('before').click(); drawn()");
    page.holds("the button goes back", "hubcast.time === there");
}

fn links_to_a_moment(page: &mut Page) {
    page.eval("choose('node', '0'); hubcast.seek(8.496e6); drawn()");
    page.holds(
        "the address is a link to this moment",
        "until(() => location.hash === '#t=8.496&node=0')",
    );
    page.eval("location.hash = '#t=7.25&node=3'; sleep(100)");
    page.holds(
        "a link goes to its moment and picks its node",
        "hubcast.time === 7.25e6 && hubcast.picked.node === 3 || [hubcast.time, hubcast.picked]",
    );
    page.eval("location.hash = '#t=nonsense&node=99'; sleep(100)");
    page.holds(
        "a link that is none changes nothing",
        "hubcast.time === 7.25e6",
    );
    page.key("Escape");
    // Another address, so that the page is loaded anew.
    let url = page.eval("location.href.split('#')[0] + '?again#t=6.5&node=4&value=42'");
    page.call("Page.navigate", &format!(r#"{{"url":{url}}}"#));
    page.holds(
        "a link is read when the page is loaded",
        "until(() => typeof hubcast === 'object' && document.readyState === 'complete').then(() =>
           hubcast.time === 6.5e6 && hubcast.picked.node === 4 && hubcast.picked.value === 42
             || [hubcast.time, hubcast.picked])",
    );
    page.key("Escape");
}

fn batches(page: &mut Page) {
    page.holds(
        "each departure of the hub ends a batch, within what the promise leaves",
        "hubcast.departures.length > 50 && hubcast.departures.filter(batch =>
           batch.node !== 0 || !(batch.end >= batch.start && batch.end - batch.start <= 200000))",
    );
    page.holds(
        "and it is one batch",
        "hubcast.departures.filter((batch, k, list) => k && list[k - 1].node === batch.node && list[k - 1].end === batch.end)",
    );
    page.seek("6e6");
    page.holds(
        "it is a bar on the hub's lane, which says what it is",
        "hubcast.lamport.some(mark => /^n0.s batch departs: \\d+ values/.test(mark.hint))",
    );
}

fn slots_and_waiting_values(page: &mut Page) {
    page.holds(
        "the hub announces by when deltas must be there: then they are, and it departs soon after",
        "const slots = hubcast.slots[0], is_used = at => at > 5e6 && at < 19e6;
         const ups = Array.from(hubcast.kinds, (kind, i) => ({kind, ...hubcast.way(i)})).filter(
           up => up.kind === 0 && up.dest === 0 && is_used(up.arrive));
         const stray = ups.filter(up => !slots.some(slot => Math.abs(slot - up.arrive) < 3000));
         const late = hubcast.departures.filter(batch => is_used(batch.end)
           && !slots.some(slot => slot <= batch.end && batch.end - slot < 40000));
         ups.length >= 100 && slots.length >= 5 ? stray.concat(late) : [ups.length, slots]",
    );
    page.seek("6.2e6");
    page.holds(
        "a slot is in the diagram",
        "hubcast.lamport.some(mark => (mark.hint || '').startsWith('A slot: n0 said'))",
    );
    page.holds(
        "leaves have values that wait",
        "hubcast.lamport.filter(mark => / sends what has waited: /.test(mark.hint)).length >= 20",
    );
    page.eval("$('lamport').scrollIntoView({block: 'center', behavior: 'instant'})");
    page.eval(
        "const mark = hubcast.lamport.find(mark => / sends what has waited: /.test(mark.hint)
           && mark.x2 - mark.x1 > 60), box = $('lamport').getBoundingClientRect();
         window.spot = [box.left + (mark.x1 + mark.x2) / 2, box.top + mark.y1]; window.hint = mark.hint",
    );
    page.hover("spot");
    page.holds(
        "the mouse shows what a bar means",
        "$('lamporttip').offsetHeight > 0 && $('lamporttip').textContent === hint
           || [$('lamporttip').textContent, hint]",
    );
    page.shot("timetable-light");
    page.media("dark", "no-preference");
    page.shot("timetable-dark");
    page.quiet_console();
}

fn charts_by_keyboard(page: &mut Page) {
    page.eval(
        "window.dots = all('#charts canvas')[0];
         dots.scrollIntoView({block: 'center', behavior: 'instant'}); dots.focus()",
    );
    for key in ["ArrowRight", "ArrowRight"] {
        page.key(key);
    }
    page.holds(
        "the arrow keys read a chart's points",
        "/^value \\d+: [\\d.\u{2009} ]+ms, known at/.test(dots.getAttribute('aria-valuetext'))
           || dots.getAttribute('aria-valuetext')",
    );
    page.eval("window.read = dots.getAttribute('aria-valuetext')");
    page.key("Enter");
    page.holds(
        "Enter picks one",
        "'value ' + hubcast.picked.value === read.split(':')[0] || [hubcast.picked.value, read]",
    );
    page.eval("document.activeElement.blur()");
    page.key("Escape");
    page.seek("5e6");
    page.eval(
        "(async () => { for (let t = 5e6; !document.querySelector('#underway [data-more]'); t += 1e4) {
           hubcast.seek(t); await drawn(); } })()",
    );
    page.eval(
        "window.count = +document.querySelector('#underway [data-more]').textContent.match(/\\d+/)[0];
         document.querySelector('#underway [data-more]').focus()",
    );
    page.key("Enter");
    page.holds(
        "what a list has no room for opens by keyboard, and keeps the focus",
        "all('#underway button[data-message]').length === count + 5
           && document.activeElement.textContent === 'fewer'
           || [all('#underway button').length, count, document.activeElement.outerHTML]",
    );
    page.key("Enter");
}

/// WCAG 2.2, 1.4.3 and 1.4.11: what is read has a contrast of 4.5 with what is behind it,
/// whatever else is to be seen has 3.
fn contrast(page: &mut Page, scheme: &str) {
    page.media(scheme, "no-preference");
    page.eval("all('details').forEach(each => { each.open = true; }); drawn()");
    page.eval(CONTRAST);
    page.holds(
        &format!("{scheme}: all text has a contrast of 4.5"),
        "window.found = texts(); found.filter(each => each[0] < 4.5).slice(0, 6)",
    );
    let least = page.number("Math.min(...found.map(each => each[0]))");
    let count = page.number("found.length");
    page.within(
        &format!("{scheme}: the least of {count} texts"),
        least,
        4.5..22.0,
        "to 1",
    );
    page.holds(
        &format!("{scheme}: the edge of each control has one of 3"),
        "window.found = controls(); found.length > 8 && found.filter(each => each[0] < 3)",
    );
    let least = page.number("Math.min(...found.map(each => each[0]))");
    page.within(
        &format!("{scheme}: the least of them"),
        least,
        3.0..22.0,
        "to 1",
    );
    page.holds(
        &format!("{scheme}: what is drawn in the pictures has 4.5 as text and 3 as a mark"),
        "inks().filter(([ratio, name, least]) => ratio < least)",
    );
    page.eval("all('details').forEach(each => { each.open = false; })");
}

fn the_replay_first(page: &mut Page) {
    page.holds(
        "a run's page begins with the replay, and its figures are folded",
        "$('replay').getBoundingClientRect().top < 120 && !$('figures').checkVisibility()
           || $('replay').getBoundingClientRect().top",
    );
    page.eval("document.querySelector('#results summary').click(); drawn()");
    page.holds(
        "a click unfolds them",
        "['figures', 'counts', 'partitions', 'settings'].filter(id => !$(id).checkVisibility())",
    );
    page.eval("document.querySelector('#results summary').click(); drawn()");
}

/// The page for a talk: on each screen from a moment on, and at each of the next steps.
fn a_talk(page: &mut Page, name: &str, lanes: usize, from: &str, step: &str) {
    page.eval("document.activeElement.blur()");
    page.key("t");
    page.eval(TALK);
    for (width, height) in SCREENS {
        for scheme in ["light", "dark"] {
            page.media(scheme, "no-preference");
            let metrics = format!(
                r#"{{"width":{width},"height":{height},"deviceScaleFactor":1,"mobile":false}}"#
            );
            page.call("Emulation.setDeviceMetricsOverride", &metrics);
            page.eval("sleep(300).then(() => { written.length = 0; })");
            let screen = format!("{name}, {width} x {height}, {scheme}:");
            page.seek(from);
            page.holds(
                &format!("{screen} the sentence has 28 pixels, other words have 16"),
                "sizes().filter(([least, size, text]) => size < least - .01 || !text)",
            );
            page.holds(
                &format!("{screen} the star has 300 pixels, each of {lanes} lanes 60"),
                &format!(
                    "const [x, y] = hubcast.nodeAt(0), [a, b] = hubcast.nodeAt(1), star = 2 * Math.hypot(a - x, b - y);
                     const own = $('lamport').clientHeight / Math.min(innerWidth / 1280, innerHeight / 800);
                     star > 250 && star <= 300 && hubcast.lanes.length === {lanes} && Math.abs(own - 34 - 60 * {lanes}) < 2
                       || [star, own, hubcast.lanes]"
                ),
            );
            page.holds(
                &format!("{screen} at each of 140 steps all is on the screen, and all words are in their pictures"),
                &format!(
                    "(async () => {{
                       window.wrong = [];
                       for (let k = 0; k < 140 && !wrong.length; k++) {{
                         written.length = 0; await drawn();
                         wrong.push(...outside().map(each => [hubcast.time, ...each]));
                         {step}.click();
                       }}
                       return wrong;
                     }})()"
                ),
            );
            page.seek(from);
            for _ in 0..6 {
                page.key("ArrowRight");
            }
            page.screen_shot(&format!("talk-{name}-{width}-{scheme}"));
        }
    }
    page.key("t");
    page.holds("T leaves the talk", "$('scrub').checkVisibility()");
    page.key("t");
    page.holds("T is the talk", "!$('scrub').checkVisibility()");
    page.key("Escape");
    page.holds("Escape leaves it", "$('scrub').checkVisibility()");
    page.quiet_console();
}

/// What is written in the pictures: where, how large, and whether it is in its picture.
const TALK: &str = r"
window.written = [];
const fill = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
  if (this.canvas.checkVisibility()) {
    const {a} = this.getTransform(), size = a * parseFloat(this.font.match(/([\d.]+)px/)[1]), measure = this.measureText(text);
    written.push({id: this.canvas.id, text, size, left: (x - measure.actualBoundingBoxLeft) * a, right: (x + measure.actualBoundingBoxRight) * a,
      top: (y - measure.actualBoundingBoxAscent) * a, bottom: (y + measure.actualBoundingBoxDescent) * a, width: this.canvas.width, height: this.canvas.height});
  }
  fill.call(this, text, x, y);
};
// What reaches over the screen, words that reach over their picture, and names that lie on each other. The diagram cuts off what scrolls out of it.
window.outside = () => [...all('main *').filter(each => each.checkVisibility() && each.getClientRects().length).filter(each => {
    const box = each.getBoundingClientRect();
    return box.left < 0 || box.top < 0 || box.right > innerWidth + .5 || box.bottom > innerHeight + .5;
  }).map(each => [each.id || each.outerHTML.slice(0, 60)]),
  ...written.filter(each => each.top < -1 || each.bottom > each.height + 1 || (each.id !== 'lamport' && (each.left < -1 || each.right > each.width + 1))).map(each => [each.id, each.text]),
  ...written.flatMap((one, k) => written.slice(k + 1).filter(other => one.id === 'tree' && other.id === 'tree' && [one, other].every(each => /^n\d+$/.test(each.text)) && one.text !== other.text
    && one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom).map(other => [one.text, other.text])),
  ...($('captiontext').scrollHeight > $('captiontext').clientHeight + 1 ? [['sentence']] : [])];
// Of everything written: the least that it should have, and what it has.
window.sizes = () => { const zoom = Math.min(innerWidth / 1280, innerHeight / 800), size = node => parseFloat(getComputedStyle(node).fontSize);
  return [[28 * zoom, size($('captiontext')), $('captiontext').textContent], [16 * zoom, size($('captionat')), 'x'],
    ...all('#legend li').map(each => [16 * zoom, size(each), each.textContent]),
    ...written.filter(each => each.id === 'tree' || each.id === 'lamport').map(each => [16 * zoom, each.size, each.text])]; };";

fn words_of_the_author(page: &mut Page) {
    page.holds(
        "the hub's first batch lasts until it departs, though one leaf is told its value at once",
        "const first = hubcast.departures[0]; first.start === 1e5 && Math.abs(first.end - 166e3) < 1e3 || first",
    );
    page.holds(
        "the page has the story's text, and the command that tells it again",
        "$('script').textContent.includes('0 lose n0 n4') && $('script').checkVisibility()
           && $('command').textContent === './run.sh trace' || $('script').textContent",
    );
    page.eval("hubcast.seek(0); while (hubcast.sentence) $('back').click(); drawn()");
    page.key("t");
    page.eval("window.words = []");
    for _ in 0..6 {
        page.key("Shift+ArrowRight");
        page.eval("words.push($('captiontext').textContent)");
    }
    page.holds(
        "Shift and the right arrow go from one of the author's words to the next, and to the end",
        "const begins = ['The message for n4', 'What comes next', 'Now n3 is cut', 'The next probe', 'A node that starts', 'All is quiet'];
         begins.filter((begin, k) => !words[k].toLowerCase().startsWith(begin.toLowerCase())).concat(hubcast.spoken.length === 7 ? [] : hubcast.spoken)",
    );
    page.key("Shift+ArrowLeft");
    page.holds(
        "and the left arrow back",
        "$('captiontext').textContent === words[4] || $('captiontext').textContent",
    );
    page.key("Escape");
}

/// Contrast as of WCAG 2.2: relative luminance, colours laid over each other.
const CONTRAST: &str = r"
window.parse = text => { const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number); return [r, g, b, a]; };
window.over = (top, below) => [0, 1, 2].map(k => top[k] * top[3] + below[k] * (1 - top[3])).concat(1);
window.light = colour => { const [r, g, b] = colour.slice(0, 3).map(each => each / 255).map(each =>
  each <= .04045 ? each / 12.92 : ((each + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
window.ratio = (one, other) => { const [a, b] = [light(one), light(other)].sort((a, b) => b - a); return (a + .05) / (b + .05); };
window.behind = node => { const layers = [];
  for (let at = node; at; at = at.parentElement) layers.unshift(parse(getComputedStyle(at).backgroundColor));
  return layers.reduce((below, top) => over(top, below), [255, 255, 255, 1]); };
window.veil = node => { let all = 1; for (let at = node; at; at = at.parentElement) all *= +getComputedStyle(at).opacity; return all; };
window.seen = node => { const box = node.getBoundingClientRect(), style = getComputedStyle(node);
  return box.width > 1 && box.height > 1 && style.visibility === 'visible' && node.checkVisibility(); };
window.texts = () => { const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = walker.nextNode());) { const node = text.parentElement;
    if (!text.textContent.trim() || ['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(node.tagName) || !seen(node)) continue;
    const below = behind(node), ink = parse(getComputedStyle(node).color); ink[3] *= veil(node);
    found.push([ratio(over(ink, below), below), text.textContent.trim().slice(0, 40), getComputedStyle(node).color]); }
  return found; };
window.controls = () => all('button:not(.text), select, input[type=number]').filter(seen).map(node => {
  const around = behind(node.parentElement), edge = over(parse(getComputedStyle(node).borderTopColor), around);
  return [Math.max(ratio(edge, around), ratio(behind(node), around)), node.id]; });
window.inks = () => { const probe = document.createElement('i'); document.body.append(probe);
  const colour = name => { probe.style.color = 'var(--' + name + ')'; return parse(getComputedStyle(probe).color); };
  const panel = colour('panel'), cut = over(colour('shade'), panel), hold = colour('hold');
  const found = [['ink', 4.5, hold], ['panel', 4.5, colour('ink')]];
  for (const below of [panel, cut]) for (const [name, least] of [['ink', 4.5], ['soft', 4.5], ['cut', 4.5], ['delta', 4.5],
    ['ack', 3], ['again', 3], ['hole', 3], ['sync', 3], ['client', 3], ['other', 3], ['edge', 3]]) found.push([name, least, below]);
  const all = found.map(([name, least, below]) => [ratio(colour(name), below), name, least, below]);
  probe.remove(); return all; };";

fn beliefs(page: &mut Page) {
    page.seek("hubcast.cuts[0][0] + 1750000");
    page.holds(
        "the hub suspects neighbours that the cut keeps from it, as its own log says",
        "const suspects = hubcast.suspectsAt(0, hubcast.time);
         suspects.length >= 5 && $('foot').textContent.includes('that is from its log') || suspects",
    );
    page.holds(
        "the picture says how many links are suspect, besides the cut",
        "/directions of the tree cut, \\d+ links suspect/.test($('tree').getAttribute('aria-label'))
           || $('tree').getAttribute('aria-label')",
    );
    page.holds(
        "and its lane and its badge say whom",
        "hubcast.lamport.some(mark => /^n0 suspects n\\d+/.test(mark.hint) && !(mark.note >= 0))
           && hubcast.lamport.some(mark => /^n0 suspects n\\d+.*: no answer in time/.test(mark.hint))",
    );
    page.holds(
        "the legends tell the cut from what a node believes, and every mark",
        "['cut, which no node can see', 'suspect: what the node beside it believes',
          'asks for a resend'].filter(text => !$('legend').textContent.includes(text)).concat(
          ['suspect', 'healthy', 'good news', 'the node suspects somebody'].filter(text =>
          !$('laneslegend').textContent.includes(text)))",
    );
    page.holds(
        "there are deltas, acks, retransmissions, requests for a resend and digests",
        "[...new Set(hubcast.kinds)].sort().join() === '0,1,2,4,5' || [...new Set(hubcast.kinds)]",
    );
    page.eval(
        "hubcast.seek(hubcast.notes.find(note => note.what === 'hole').t + 1000); drawn().then(() => {
           document.querySelector('#underway [data-more]')?.click();
           all('#underway button').find(each => /request for a resend/.test(each.textContent)).click(); })",
    );
    page.holds(
        "a request for a resend names its holes, and each field of it is explained",
        "const body = JSON.parse($('json').textContent).body;
         body.type === 'ack' && body.missing.every(([first, last]) => first <= last)
           ? ['src', 'dest', ...Object.keys(body)].filter(name => !all('.fields dt').some(term =>
               term.textContent.startsWith(name + ':') && term.nextSibling.textContent.length > 8)) : body",
    );
    page.eval("document.querySelector('#underway [data-more]')?.click(); choose('node', '0')");
    page.seek("hubcast.cuts[0][0] + 1750000");
    page.eval(
        "$('notes').scrollIntoView({block: 'center', behavior: 'instant'});
         all('#notes button')[0].focus(); drawn()",
    );
    page.holds(
        "an event that has the focus is ringed in the diagram and read out as text",
        "/ suspects | healthy|Good news/.test(document.activeElement.textContent)
           && hubcast.note === +document.activeElement.dataset.note
           || [document.activeElement.outerHTML, hubcast.note]",
    );
    page.shot("partition-event");
    page.eval("document.activeElement.blur()");
    page.seek("0");
    page.key("h");
    page.holds(
        "H goes to just before the heal",
        "Math.abs(hubcast.cuts[0][1] - hubcast.time - 1e5) < 2 || hubcast.time",
    );
    page.eval("$('next').click(); drawn()");
    page.holds(
        "and the next decisions from there are few until the heal",
        "(async () => { let steps = 0; while (hubcast.time < hubcast.cuts[0][1]) { $('next').click(); steps++; } await drawn();
           return steps < 20 && $('event').textContent.startsWith('The network is healed') || [steps, $('event').textContent]; })()",
    );
    page.holds(
        "after it all are healthy",
        "hubcast.suspectsAt(0, hubcast.cuts[0][1] + 1.9e6)",
    );
}

fn restarts(page: &mut Page) {
    let marks = ["start", "restarted", "restored", "sync"];
    page.marks(
        "nodes that start again and what they tell are marked",
        &marks,
    );
    page.holds(
        "digests are messages of a kind of their own",
        "hubcast.kinds.includes(5) && $('legend').textContent.includes('digest (sync)')",
    );
    page.holds(
        "the moments to jump to are in the order of time",
        "const times = [...$('jump').options].slice(1).map(each => +each.value);
         times.length > 8 && times.every((at, k) => !k || at >= times[k - 1]) || times",
    );
    page.holds(
        "no dead node has a batch",
        "hubcast.absences.flatMap((list, node) => list.filter(each => each.dead).flatMap(({start, end}) =>
           [hubcast.ups[node], hubcast.downs[node]].flatMap(dir =>
             dir.batches.filter(batch => batch.start < end && batch.end > start))))",
    );
    page.eval("hubcast.seek(hubcast.notes.find(note => note.what === 'restarted').t); drawn()");
    page.shot("crash-light");
    page.quiet_console();
}

/// Of each fate that a message can have, what the picture and the words make of it.
fn fates(page: &mut Page) {
    for (fate, dest, colour, words) in [
        (1, "there", "delta", "received at"),
        (2, "there", "cut", "dropped by the partition"),
        (2, "absent", "cut", "and ten messages wait for it already"),
        (3, "there", "cut", "lost by the network"),
    ] {
        // The end of its stroke has the colour of its fate. Of one only that ends alone.
        page.holds(
            &format!("the picture shows a message that is {words}, and says so"),
            &format!(
                "(async () => {{
                   const probe = document.createElement('i'); document.body.append(probe); probe.style.color = 'var(--{colour})';
                   const ink = getComputedStyle(probe).color.match(/\\d+/g).map(Number); probe.remove();
                   const canvas = $('lamport'), ratio = canvas.width / canvas.clientWidth;
                   for (let t = 2e6; t < hubcast.end; t += 5e5) {{
                     hubcast.seek(t); await drawn();
                     const ends = hubcast.lamport.filter(mark => mark.message >= 0), inside = mark => mark.x2 > 60 && mark.x2 < canvas.clientWidth - 60;
                     const alone = mark => ends.every(other => other === mark || Math.hypot(other.x2 - mark.x2, other.y2 - mark.y2) > 9);
                     for (const mark of ends.filter(({{message: i}}) => hubcast.fates[i] === {fate} && hubcast.kinds[i] === 0)) {{
                       const {{dest, arrive}} = hubcast.way(mark.message);
                       const absent = hubcast.absences[dest].some(each => each.start <= arrive && arrive < each.end);
                       if (absent !== ('{dest}' === 'absent') || !inside(mark) || !alone(mark)) continue;
                       const pixels = canvas.getContext('2d').getImageData(mark.x2 * ratio - 3, mark.y2 * ratio - 3, 7, 7).data;
                       let near = 0;
                       for (let k = 0; k < pixels.length; k += 4) near += pixels[k + 3] > 150 && [0, 1, 2].every(c => Math.abs(pixels[k + c] - ink[c]) < 40);
                       hubcast.pick(mark.message);
                       return near >= 6 && $('picked').textContent.toLowerCase().includes('{words}') || [near, ink, $('picked').textContent];
                     }}
                   }}
                   return 'there is none';
                 }})()"
            ),
        );
    }
    page.holds(
        "what comes for an absent node of a run waits, and the page says so",
        "(async () => {
           const starts = hubcast.notes.filter(note => note.what === 'start');
           for (const note of starts) {
             hubcast.seek(note.t - 1); await drawn();
             document.querySelector('#underway [data-more]')?.click();
             for (const button of all('#underway button[data-message]')) {
               if (!button.textContent.includes('\u{2192} n' + note.node + ',')) continue;
               button.click(); await drawn();
               if (/it waited until n\\d+ was back/.test($('picked').textContent))
                 return $('legend').textContent.includes('what comes for an absent node waits');
             }
           }
           return starts.length + ' starts';
         })()",
    );
}

fn real_nodes(page: &mut Page) {
    page.holds(
        "a real node's log has the time at which it was read, and the page says so",
        "hubcast.notes.some(note => note.what === 'suspect')
           && $('foot').textContent.includes('has the time at which the testbed read it')
           || [hubcast.notes, $('foot').textContent]",
    );
    page.holds(
        "most batches of real nodes end at slots that were announced",
        "const late = hubcast.departures.filter(batch => batch.end > 1e6 && batch.end < 5e6)
           .map(batch => Math.min(...hubcast.slots[0].map(slot => Math.abs(slot - batch.end))));
         late.length >= 4 && late.filter(each => each < 20000).length >= late.length / 2 || late",
    );
    page.eval("hubcast.seek(hubcast.notes.find(note => note.what === 'suspect').t); drawn()");
    page.shot("real-light");
    page.quiet_console();
}

fn another_node(page: &mut Page) {
    page.holds(
        "of another program no batches are shown and no beliefs",
        "hubcast.departures.length === 0 && !$('notesbox').offsetParent",
    );
    page.seek("1e6");
    page.eval("$('next').click(); drawn()");
    page.holds(
        "without decisions next goes to the next message",
        "hubcast.time > 1e6 && /asks|sends|receives|answers/.test($('event').textContent)",
    );
    page.quiet_console();
}

fn records(page: &mut Page) {
    page.holds(
        "of records, too, the hub's batches are shown",
        "hubcast.departures.length > 20 || hubcast.departures.length",
    );
    page.seek("6.2e6");
    page.shot("kafka-light");
    page.media("dark", "no-preference");
    page.shot("kafka-dark");
    page.quiet_console();
}

fn picking_a_value(page: &mut Page) {
    page.eval("$('value').focus()");
    for key in ["4", "2", "Enter"] {
        page.key(key);
    }
    page.holds(
        "a value can be picked",
        "hubcast.picked.value === 42 || hubcast.picked",
    );
    page.holds(
        "its way to all nodes is listed",
        "all('#spread tr').length === 25 || all('#spread tr').length",
    );
    page.seek("hubcast.time + 290000");
    page.shot("efficient-value");
    page.key("Escape");
    page.holds("Escape lets it go", "hubcast.picked.value === null");
}

fn picking_a_message(page: &mut Page) {
    // A message with no other within 20 pixels, so that the click can mean no other.
    page.eval(
        "(async () => {
           for (let t = 6e6; !window.mark; t += 2e4) {
             hubcast.seek(t);
             await drawn();
             const marks = hubcast.marks(), alone = mark => marks.every(other =>
               other === mark || Math.hypot(other.x - mark.x, other.y - mark.y) > 20);
             window.mark = marks.find(mark => mark.message >= 0 && alone(mark));
           }
         })()",
    );
    page.click_at("tree", "[mark.x, mark.y]");
    page.holds(
        "a message can be picked in the picture",
        "hubcast.picked.message === mark.message || hubcast.picked",
    );
    page.eval("window.json = JSON.parse($('json').textContent)");
    page.holds(
        "its JSON is shown",
        "!!json.src && !!json.dest && ['delta', 'ack'].includes(json.body.type) || json",
    );
    page.holds(
        "and each of its fields explained",
        "['src', 'dest', ...Object.keys(json.body)].filter(name => !all('.fields dt').some(term =>
           term.textContent.startsWith(name + ':') && term.nextSibling.textContent.length > 8))",
    );
    page.shot("efficient-message");
    page.eval(
        "const first = all('#underway button')[0];
         first.scrollIntoView({block: 'center', behavior: 'instant'}); first.focus()",
    );
    page.key("Enter");
    page.holds(
        "a message can be picked in the list, by keyboard",
        "String(hubcast.picked.message) === all('#underway button')[0].dataset.message",
    );
}

fn picking_a_node(page: &mut Page) {
    page.seek("6.34e6");
    page.click_at("tree", "hubcast.nodeAt(5)");
    page.holds(
        "a node can be picked",
        "hubcast.picked.node === 5 || hubcast.picked",
    );
    page.holds(
        "its one link is shown with its streams and its state",
        "const heads = all('#links th').map(head => head.textContent).join();
         heads === 'to,unacked,acked,sent,received,state' 
           && all('#links tbody tr').length === 1 || heads",
    );
    page.eval("choose('node', '0')");
    page.holds(
        "the hub has a link to each leaf",
        "all('#links tbody tr').length === 24 || all('#links tbody tr').length",
    );
    page.shot("efficient-node");
    page.key("Escape");
}

fn reading_without_eyes(page: &mut Page) {
    page.holds(
        "every control and picture has a name",
        "all('button, select, input, canvas:not([aria-hidden])').filter(each =>
           !each.getAttribute('aria-label') && !(each.tagName === 'BUTTON' && each.textContent.trim())
           && !(each.labels && each.labels.length)).map(each => each.outerHTML.slice(0, 80))",
    );
    page.holds(
        "the charts have tables",
        "all('#charts details').filter(each => {
           each.open = true;
           each.dispatchEvent(new Event('toggle'));
           const rows = each.querySelectorAll('tbody tr').length;
           each.open = false;
           return rows <= 10;
         }).map(each => each.textContent.slice(0, 80))",
    );
}

fn dark_and_still(page: &mut Page) {
    page.media("dark", "no-preference");
    page.holds(
        "dark is dark",
        "const colour = getComputedStyle(document.body).backgroundColor;
         Math.max(...colour.match(/\\d+/g).map(Number)) < 60 || colour",
    );
    page.seek("6.05e6");
    page.shot("efficient-dark");
    page.media("light", "reduce");
    page.click("play");
    page.eval("watch()");
    page.click("play");
    let frames = page.number("seen.frames");
    page.within(
        "little motion: still pictures",
        frames,
        0.0..4.0,
        "a second",
    );
    page.quiet_console();
}

fn a_story(page: &mut Page) {
    let marks = ["suspect", "healthy", "restarted", "sync"];
    page.marks(
        "what the nodes of a story notice is marked, too, by their own logs",
        &marks,
    );
    page.holds(
        "a story begins with its first sentence",
        "$('captiontext').textContent.startsWith('Two values.')
           || $('captiontext').textContent",
    );
    page.holds(
        "and judges nothing",
        "!$('figures').offsetParent && !$('badge').offsetParent && !$('charts').offsetParent",
    );
    page.key("ArrowRight");
    page.key("ArrowRight");
    page.holds(
        "the right arrow tells the next sentence, and picks its message",
        "hubcast.sentence === 2 && hubcast.picked.message === 0
           && $('captiontext').textContent.startsWith('n1 sends n0 delta')",
    );
    page.eval("for (let k = 0; k < 3; k++) $('step').click(); drawn()");
    page.shot("story-light");
    page.key("PageDown");
    page.holds(
        "what a node decides is told with its name",
        "$('captiontext').textContent.startsWith('n0: its batch begins')
           || $('captiontext').textContent",
    );
    page.eval("while (hubcast.sentence < 72) $('step').click(); drawn()");
    page.shot("story-partition");
    page.eval("hubcast.seek(hubcast.end); drawn()");
    page.holds(
        "who scrubs hears the last sentence until then",
        "$('captiontext').textContent.includes('all hold 11 12 13 14 15 16')
           || $('captiontext').textContent",
    );
    page.media("dark", "reduce");
    page.eval("$('back').click(); drawn()");
    page.shot("story-dark");
    page.quiet_console();
}

/// However one comes to a moment, what is picked belongs to it.
fn moments_of_a_story(page: &mut Page) {
    let begin = "hubcast.seek(0); while (hubcast.sentence < 20) $('step').click(); drawn()";
    let picks = "picks the node and the message of the new moment";
    let belongs = "(([, node, message]) => hubcast.picked.node === node && hubcast.picked.message === message
           && hubcast.sentence !== 20 && +$('node').value === node || [hubcast.said, hubcast.picked])(hubcast.said)";
    for (how, act) in [
        (
            "scrubbing",
            "$('scrub').value = 700; $('scrub').dispatchEvent(new Event('input')); drawn()",
        ),
        (
            "Play",
            "choose('speed', '5'); $('play').click();
             until(() => hubcast.sentence > 24).then(() => { $('play').click(); return drawn(); })",
        ),
        ("a link", "location.hash = '#t=9.5'; sleep(100)"),
    ] {
        page.eval(begin);
        page.eval(act);
        page.holds(&format!("{how} {picks}"), belongs);
    }
    for key in ["p", "h"] {
        page.eval(begin);
        page.key(key);
        page.holds(&format!("the key {key} {picks}"), belongs);
    }
    page.eval(begin);
    page.eval("choose('node', '4'); hubcast.seek(7e6); drawn()");
    page.holds(
        "a node that the reader picked stays",
        "hubcast.picked.node === 4 || hubcast.picked",
    );
    page.key("Escape");
}

fn a_dead_hub(page: &mut Page) {
    let hub = "const label = $('tree').getAttribute('aria-label');";
    for (moment, words) in [
        ("2.2e6", "batch dies with it in 100 ms"),
        ("2.6e6", "n0 is dead"),
        ("3.6e6", "n0 has no batch"),
    ] {
        page.seek(moment);
        page.holds(
            &format!("at {moment} of its story the hub's batch reads: {words}"),
            &format!("{hub} label.includes('{words}') || label"),
        );
    }
    page.seek("2.6e6");
    page.shot("dead-hub-light");
    page.holds(
        "no batch is drawn through its node's death",
        "hubcast.downs[0].batches.filter(batch => batch.start < 3.5e6 && batch.end > 2.3e6)",
    );
    page.eval(
        "(async () => { while (!/ for n0: /.test($('captiontext').textContent)) {
           $('step').click(); await drawn(); } })()",
    );
    page.holds(
        "what comes for a dead node of a story is dropped, and the page says so",
        "$('captiontext').textContent.includes('dropped, n0 is down')
           && $('picked').textContent.includes('dropped: n0 is dead')
           && $('legend').textContent.includes('what comes for a dead node is dropped')
           || [$('captiontext').textContent, $('picked').textContent]",
    );
    page.quiet_console();
}

fn narrow(page: &mut Page, name: &str) {
    page.media("light", "no-preference");
    page.call("Emulation.setDeviceMetricsOverride", NARROW);
    page.eval("sleep(300)");
    page.holds(
        "a window of 390 pixels needs no sideways scrolling",
        "document.documentElement.scrollWidth <= 390 || all('body *').filter(each =>
           each.getBoundingClientRect().right > 391).slice(0, 5).map(each => each.outerHTML.slice(0, 60))",
    );
    page.shot(&format!("{name}-narrow"));
    page.quiet_console();
}

fn a_cut_network(page: &mut Page) {
    page.holds("the run has a partition", "hubcast.cuts.length > 0");
    page.eval(
        "const jumps = [...$('jump').options];
         choose('jump', jumps.find(each => each.textContent.startsWith('cut 1')).value)",
    );
    page.holds(
        "a jump goes to the partition",
        "Math.abs(hubcast.time - hubcast.cuts[0][0]) < 200000 || hubcast.time",
    );
    playing(page);
    page.seek("hubcast.cuts[0][0] + 1750000");
    page.holds(
        "the picture says that the network is cut",
        "const label = $('tree').getAttribute('aria-label');
         /partition [a-z -]+ with/.test(label) || label",
    );
    page.shot("partition-light");
    page.media("dark", "no-preference");
    page.eval("choose('node', '0')");
    page.holds(
        "the hub's links show the suspects",
        "all('#links td').some(cell => cell.textContent === 'suspect')",
    );
    page.shot("partition-cut-dark");
    page.seek("hubcast.cuts[0][1] + 300000");
    page.shot("partition-heal-dark");
    page.quiet_console();
    page.seek("hubcast.cuts[0][0] + 1750000");
}

fn ten_thousand_messages(page: &mut Page) {
    page.holds(
        "a run of 65 s has 10 000 messages",
        "hubcast.messages >= 10000 || hubcast.messages",
    );
    page.seek("30e6");
    playing(page);
    page.eval(
        "$('lamport').scrollIntoView({block: 'center', behavior: 'instant'});
         document.activeElement.blur()",
    );
    page.key(" ");
    page.holds("the space bar plays", "hubcast.playing");
    page.moves_smoothly("the space-time diagram moves smoothly, too");
    page.key(" ");
    page.quiet_console();
}

/// A running browser with one page open, and what was found on it.
struct Page {
    child: Child,
    answers: Receiver<Vec<u8>>,
    /// The page's name at the browser, as a member of a request.
    session: String,
    last_id: i64,
    /// What the page's console said that it should not.
    problems: Vec<String>,
    checks: usize,
    failed: usize,
}

/// What is checked.
impl Page {
    fn check(&mut self, what: &str, passed: bool, detail: &str) {
        self.checks += 1;
        self.failed += usize::from(!passed);
        let mark = if passed { "ok  " } else { "FAIL" };
        let colon = if detail.is_empty() { "" } else { ": " };
        println!("{mark}  {what}{colon}{detail}");
    }

    /// Checks that an expression is true, or an empty list of what is wrong.
    fn holds(&mut self, what: &str, expression: &str) {
        let value = self.eval(expression);
        let passed = value == Json::Bool(true) || value == Json::Array(Vec::new());
        let detail = if passed {
            String::new()
        } else {
            value.to_string()
        };
        self.check(what, passed, &detail);
    }

    /// Checks that the run has notes of all these kinds.
    fn marks(&mut self, what: &str, kinds: &[&str]) {
        let noted = "!hubcast.notes.some(note => note.what === what)";
        self.holds(what, &format!("{kinds:?}.filter(what => {noted})"));
    }

    fn within(&mut self, what: &str, figure: f64, range: Range<f64>, unit: &str) {
        let detail = format!("{figure:.2} {unit}");
        self.check(what, range.contains(&figure), &detail);
    }

    fn moves_smoothly(&mut self, what: &str) {
        let mut frames = 0.0;
        for _ in 0..LOOKS {
            self.eval("watch()");
            frames = self.number("seen.frames");
            if frames >= LEAST_FRAMES {
                break;
            }
        }
        self.within(what, frames, LEAST_FRAMES..f64::INFINITY, "a second");
    }

    fn quiet_console(&mut self) {
        let problems = std::mem::take(&mut self.problems).join("; ");
        let what = "no error, warning or exception in the console";
        self.check(what, problems.is_empty(), &problems);
    }

    /// Makes a run's page, opens it in a wide, light window, and checks how it opens.
    fn open(&mut self, name: &str, command: &str) {
        println!("\n{name}: {command}");
        let path = make_page(name, command);
        self.problems.clear();
        self.call("Emulation.setDeviceMetricsOverride", WIDE);
        self.media("light", "no-preference");
        let megabytes = fs::metadata(&path).expect("the page is a file").len() as f64 / 1e6;
        self.within("the page is small", megabytes, 0.0..MAX_PAGE, "MB");
        let url = quote(&format!("file://{}", path.display()));
        self.call("Page.navigate", &format!(r#"{{"url":{url}}}"#));
        self.eval("until(() => document.readyState === 'complete' && typeof hubcast === 'object')");
        let paint = self.number(
            "until(() => performance.getEntriesByName('first-contentful-paint')[0])
               .then(paint => paint.startTime)",
        );
        self.within("it is there soon", paint, 0.0..MAX_FIRST_PAINT, "ms");
        self.holds(
            "it loads nothing else",
            "performance.getEntriesByType('resource').map(each => each.name)",
        );
    }
}

/// What a person does, and sees.
impl Page {
    /// Goes to a moment, an expression in microseconds.
    fn seek(&mut self, moment: &str) {
        self.eval(&format!("hubcast.seek({moment}); drawn()"));
    }

    fn click(&mut self, id: &str) {
        self.click_at(id, "[box.width / 2, box.height / 2]");
    }

    /// Clicks into an element; `place`, an expression, is how far from its corner.
    fn click_at(&mut self, id: &str, place: &str) {
        let point = self.eval(&format!(
            "$('{id}').scrollIntoView({{block: 'center', behavior: 'instant'}});
             const box = $('{id}').getBoundingClientRect(), [x, y] = {place};
             [box.left + x, box.top + y]"
        ));
        let Some([x, y]) = point.as_array() else {
            panic!("the page has no {id}");
        };
        for kind in ["mousePressed", "mouseReleased"] {
            let params = format!(
                r#"{{"type":"{kind}","x":{x},"y":{y},"button":"left","buttons":1,"clickCount":1}}"#
            );
            self.call("Input.dispatchMouseEvent", &params);
        }
        self.eval("drawn()");
    }

    /// Moves the mouse to a point of the window, an expression.
    fn hover(&mut self, point: &str) {
        let point = self.eval(point);
        let Some([x, y]) = point.as_array() else {
            panic!("no point: {point}");
        };
        let params = format!(r#"{{"type":"mouseMoved","x":{x},"y":{y}}}"#);
        self.call("Input.dispatchMouseEvent", &params);
        self.eval("drawn()");
    }

    /// Presses a key, by its name in the DOM, or `Shift+` and that.
    fn key(&mut self, key: &str) {
        let (modifiers, key) = match key.strip_prefix("Shift+") {
            Some(key) => (8, key),
            None => (0, key),
        };
        let (number, text) = match key {
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            "ArrowRight" => (39, ""),
            "ArrowLeft" => (37, ""),
            "." => (190, "."),
            "PageDown" => (34, ""),
            one => (one.as_bytes()[0], one),
        };
        let (key, text) = (quote(key), quote(text));
        for (kind, text) in [("keyDown", text.as_str()), ("keyUp", r#""""#)] {
            let params = format!(
                r#"{{"type":"{kind}","key":{key},"windowsVirtualKeyCode":{number},"text":{text},"modifiers":{modifiers}}}"#
            );
            self.call("Input.dispatchKeyEvent", &params);
        }
        self.eval("drawn()");
    }

    /// What the reader's system asks for: light or dark, and how much motion.
    fn media(&mut self, scheme: &str, motion: &str) {
        let wishes = [("color-scheme", scheme), ("reduced-motion", motion)]
            .map(|(name, value)| format!(r#"{{"name":"prefers-{name}","value":"{value}"}}"#));
        let params = format!(r#"{{"features":[{}]}}"#, wishes.join(","));
        self.call("Emulation.setEmulatedMedia", &params);
    }

    /// Leaves a picture of the whole page.
    fn shot(&mut self, name: &str) {
        self.eval("drawn()");
        let clip = self.eval(
            "const {clientWidth: width, scrollHeight: height} = document.documentElement;
             ({x: 0, y: 0, width, height, scale: 1})",
        );
        let params = format!(r#"{{"captureBeyondViewport":true,"clip":{clip}}}"#);
        self.picture(name, &params);
    }

    /// Leaves a picture of what is on the screen.
    fn screen_shot(&mut self, name: &str) {
        self.eval("drawn()");
        self.picture(name, "{}");
    }

    fn picture(&mut self, name: &str, params: &str) {
        let shot = self.call("Page.captureScreenshot", params);
        let png = from_base64(text(&shot, "data"));
        assert!(png.starts_with(b"\x89PNG"), "the screenshot is a PNG");
        fs::write(Path::new(FOLDER).join(format!("{name}.png")), png).expect("a file");
    }
}

/// How it is asked: <https://chromedevtools.github.io/devtools-protocol/>.
impl Page {
    fn start() -> Page {
        let log = File::create(Path::new(FOLDER).join("chromium.log")).expect("a log");
        let mut child = Command::new("sh")
            .args(["-c", START, "test-page"])
            .args(ARGUMENTS.split_whitespace())
            .arg(format!("--user-data-dir={FOLDER}/profile"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("a shell starts");
        let pipe = child.stdout.take().expect("it was piped");
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            let messages = BufReader::new(pipe).split(0);
            messages
                .map_while(Result::ok)
                .try_for_each(|message| sender.send(message))
        });
        let mut page = Page {
            child,
            answers,
            session: String::new(),
            last_id: 0,
            problems: Vec::new(),
            checks: 0,
            failed: 0,
        };
        let target = page.call("Target.createTarget", r#"{"url":"about:blank"}"#);
        let target = quote(text(&target, "targetId"));
        let params = format!(r#"{{"targetId":{target},"flatten":true}}"#);
        let attached = page.call("Target.attachToTarget", &params);
        page.session = format!(r#","sessionId":{}"#, quote(text(&attached, "sessionId")));
        page.call("Runtime.enable", "{}");
        page.call("Log.enable", "{}");
        page
    }

    /// Calls a method and waits for its result. `params` is JSON.
    fn call(&mut self, method: &str, params: &str) -> Json<'static> {
        self.last_id += 1;
        let (id, session) = (self.last_id, &self.session);
        let request = format!(r#"{{"id":{id},"method":"{method}","params":{params}{session}}}"#);
        let pipe = self.child.stdin.as_mut().expect("it was piped");
        // A browser that is gone shows below, with what it said.
        let _ = pipe.write_all(format!("{request}\0").as_bytes());
        let begun = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let message = self.answers.recv_timeout(left).unwrap_or_else(|error| {
                let log = fs::read_to_string(format!("{FOLDER}/chromium.log"));
                let console = self.problems.join("; ");
                panic!("no answer to {method}: {error}\nconsole: {console}\nbrowser: {log:?}")
            });
            let json = Json::parse(&message).expect("the browser speaks JSON");
            if json.get("id").and_then(Json::as_int) == Some(id) {
                let result = json.get("result").map(Json::to_static);
                return result.unwrap_or_else(|| panic!("{request}: {json}"));
            }
            self.problems.extend(problem(&json));
        }
    }

    /// The value of an expression in the page, awaited if it is a promise.
    fn eval(&mut self, expression: &str) -> Json<'static> {
        // In a block, so that a `const` of one does not disturb the next.
        let block = quote(&format!("{{ {HELPERS} {expression} }}"));
        let params =
            format!(r#"{{"expression":{block},"returnByValue":true,"awaitPromise":true}}"#);
        let answer = self.call("Runtime.evaluate", &params);
        if let Some(details) = answer.get("exceptionDetails") {
            panic!("{expression}: {details}");
        }
        let value = answer.get("result").and_then(|result| result.get("value"));
        value.map_or(Json::Null, Json::to_static)
    }

    fn number(&mut self, expression: &str) -> f64 {
        let value = self.eval(expression).to_string();
        value.parse().unwrap_or(f64::NAN)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // It ends when the pipe closes, and then hangs up; if it does not, it is killed.
        drop(self.child.stdin.take());
        while self.answers.recv_timeout(PATIENCE).is_ok() {}
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(Path::new(FOLDER).join("profile"));
    }
}

/// Runs the testbed in a folder of its own, so that the last real run's files stay.
fn make_page(name: &str, command: &str) -> PathBuf {
    let folder = Path::new(FOLDER).join(name);
    fs::create_dir_all(&folder).expect("a folder for the run");
    let output = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .args(command.split_whitespace())
        .current_dir(&folder)
        .output()
        .expect("the testbed starts");
    assert!(output.status.success(), "{command}: {output:?}");
    let words: Vec<&str> = command.split_whitespace().collect();
    // A workload's runs have a folder each.
    let job = match words[..] {
        ["workload", name, ..] => format!("workload-{name}"),
        _ => words[0].to_owned(),
    };
    folder.join("target/runs").join(job).join("report.html")
}

/// What an event says that a good page does not make the browser say.
fn problem(event: &Json<'_>) -> Option<String> {
    let params = event.get("params")?;
    let (told, level) = match event.get("method")?.as_str()? {
        "Runtime.exceptionThrown" => (params.get("exceptionDetails")?, "error"),
        "Runtime.consoleAPICalled" => (params.get("args")?, text(params, "type")),
        "Log.entryAdded" => (params.get("entry")?, text(params.get("entry")?, "level")),
        _ => return None,
    };
    let is_bad = ["error", "warning", "assert"].contains(&level);
    is_bad.then(|| told.to_string().chars().take(400).collect())
}

fn quote(text: &str) -> String {
    let mut out = Vec::new();
    json::encode_str(text, &mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn text<'a>(json: &'a Json<'_>, name: &str) -> &'a str {
    let text = json.get(name).and_then(Json::as_str);
    text.unwrap_or_else(|| panic!("no {name} in {json}"))
}

/// RFC 4648, section 4.
fn from_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut count) = (Vec::new(), 0, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let digit = DIGITS.iter().position(|&digit| digit == byte);
        bits = bits << 6 | digit.expect("base64") as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}
