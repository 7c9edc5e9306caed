//! `./run.sh test-page`: the report page in a real browser.
//!
//! It makes fresh pages with virtual runs, opens them in a headless Chromium and
//! does what a person would do: play, scrub, step, pick a value, a message and a
//! node, in light and in dark, in a wide and in a narrow window. It talks to the
//! browser over its debugging port: JSON (our own parser) over a WebSocket
//! (`WebSocket`, RFC 6455, as much as this needs) over a TCP connection to
//! this machine.
//!
//! ```text
//! testbed                                    chromium --remote-debugging-port=0
//!    |--- GET /devtools/browser/..., Upgrade: websocket --->|
//!    |<-- 101 Switching Protocols --------------------------|
//!    |--- {"id":1,"method":"Runtime.evaluate",...} -------->|
//!    |<-- {"method":"Runtime.exceptionThrown",...} ---------|   an event: noted
//!    |<-- {"id":1,"result":{...}} --------------------------|
//! ```
//!
//! Whatever happens, the browser and all its helpers end with `Browser`, and
//! its profile goes with it. No part of `cargo test` needs a browser.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::engine::Failure;
use super::rng::Rng;
use crate::json::{self, Json};
use crate::stdio::{self, Group};

/// Where pages and screenshots go.
const FOLDER: &str = "target/runs/test-page";

/// What a Chromium may be called.
const NAMES: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
];

/// How long the browser may take to start, and to answer. Unit: time. A busy
/// machine with a cold disk needs some seconds for the first.
const PATIENCE: Duration = Duration::from_secs(40);

/// How often a waiting test looks whether a signal came or a file is there.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The largest page that passes. Unit: bytes.
const MAX_PAGE: u64 = 5_000_000;

/// The latest first paint that passes. Unit: milliseconds.
const MAX_FIRST_PAINT: f64 = 1000.0;

/// The least pictures a second that pass while playing. The aim is the
/// browser's 60; on a shared machine without a graphics card half of it will do.
const LEAST_FRAMES: f64 = 30.0;

/// The largest message taken from the browser. Unit: bytes. A screenshot of a
/// long page has some.
const MAX_MESSAGE: usize = 64 << 20;

/// Runs the test; says whether all of it passed.
pub fn main(say: &mut dyn FnMut(&str)) -> Result<bool, Failure> {
    let Some(program) = find() else {
        return Err(Failure::new(
            "test-page needs a Chromium browser (Debian's package chromium) on the PATH or in CHROMIUM",
        ));
    };
    stdio::remember_signals();
    fs::create_dir_all(FOLDER)?;
    let mut test = Test {
        browser: Browser::start(&program)?,
        failed: 0,
        checks: 0,
        say,
    };
    let efficient = make_page("efficient", &["efficient", "--virtual"])?;
    let partition = make_page("partition", &["partition", "--virtual"])?;
    let long = make_page("long", &["efficient", "--virtual", "--time-limit", "60"])?;
    let hubs = make_page(
        "hubs",
        &[
            "partition",
            "--virtual",
            "--node-count",
            "60",
            "--seed",
            "2",
        ],
    )?;
    test.efficient(&efficient)?;
    test.partition(&partition)?;
    test.long(&long)?;
    test.hubs(&hubs)?;
    let (failed, checks) = (test.failed, test.checks);
    (test.say)(&format!(
        "\n{}: {} of {checks} checks passed; screenshots: {FOLDER}/*.png\n",
        if failed == 0 { "PASS" } else { "FAIL" },
        checks - failed,
    ));
    Ok(failed == 0)
}

/// The browser's program: `CHROMIUM`, or the first known name on the `PATH`.
fn find() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CHROMIUM").filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let files = NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    files.into_iter().find(|file| file.is_file())
}

/// Runs the testbed itself in a folder of its own, so that the last real run's
/// files stay; gives the page.
fn make_page(name: &str, args: &[&str]) -> Result<PathBuf, Failure> {
    let folder = Path::new(FOLDER).join(name);
    fs::create_dir_all(&folder)?;
    let output = Command::new(std::env::current_exe()?)
        .args(args)
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()?;
    let page = folder.join("target/runs").join(args[0]).join("report.html");
    match fs::canonicalize(&page) {
        Ok(page) if output.status.success() => Ok(page),
        _ => Err(Failure::new(format!(
            "the run '{}' failed: {}{}",
            args.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}

// What is tested.

struct Test<'a> {
    browser: Browser,
    failed: usize,
    checks: usize,
    say: &'a mut dyn FnMut(&str),
}

impl Test<'_> {
    fn check(&mut self, what: &str, passed: bool, detail: &str) {
        self.checks += 1;
        self.failed += usize::from(!passed);
        let mark = if passed { "ok  " } else { "FAIL" };
        let colon = if detail.is_empty() { "" } else { ": " };
        (self.say)(&format!("{mark}  {what}{colon}{detail}\n"));
    }

    /// Checks that an expression is true; what it says otherwise is the detail.
    fn holds(&mut self, what: &str, expression: &str) -> Result<(), Failure> {
        let value = self.browser.eval(expression)?;
        let passed = value == Json::Bool(true);
        let detail = if passed {
            String::new()
        } else {
            value.to_string()
        };
        self.check(what, passed, &detail);
        Ok(())
    }

    /// Opens a page in a window of this size, and checks how it opens.
    fn open(&mut self, name: &str, page: &Path, window: (u32, u32)) -> Result<(), Failure> {
        (self.say)(&format!("\n{name}, {} x {}\n", window.0, window.1));
        self.browser.problems.clear();
        self.browser.window(window, 1)?;
        self.browser.media("light", "no-preference")?;
        let size = fs::metadata(page)?.len();
        self.check(
            "the page is below 5 MB",
            size < MAX_PAGE,
            &format!("{:.2} MB", size as f64 / 1e6),
        );
        self.browser.open(page)?;
        let paint = self.browser.number(
            "new Promise(done => { const look = () => { \
               const entry = performance.getEntriesByName('first-contentful-paint')[0]; \
               if (entry) done(Math.round(entry.startTime)); else setTimeout(look, 20); }; look(); })",
        )?;
        self.check(
            "the first paint comes within a second",
            paint < MAX_FIRST_PAINT,
            &format!("{paint} ms"),
        );
        self.holds(
            "it loads nothing else",
            "performance.getEntriesByType('resource').length === 0",
        )
    }

    /// What the console said since the page was opened.
    fn quiet_console(&mut self) {
        let problems = std::mem::take(&mut self.browser.problems);
        self.check(
            "no error, warning or exception in the console",
            problems.is_empty(),
            &problems.join("; "),
        );
    }

    fn shot(&mut self, name: &str, whole: bool) -> Result<(), Failure> {
        self.browser.settle()?;
        let png = self.browser.screenshot(whole)?;
        fs::write(Path::new(FOLDER).join(format!("{name}.png")), png)?;
        Ok(())
    }

    /// Goes to a moment, an expression in microseconds, and lets the page draw it.
    fn seek(&mut self, moment: &str) -> Result<(), Failure> {
        self.browser.eval(&format!("hubcast.seek({moment})"))?;
        self.browser.settle()
    }

    /// Plays for two seconds; gives the pictures a second.
    fn frames(&mut self) -> Result<f64, Failure> {
        self.browser.number(
            "new Promise(done => { const from = hubcast.frames, start = performance.now(); \
               setTimeout(() => done((hubcast.frames - from) / (performance.now() - start) * 1000), 2000); })",
        )
    }

    fn play(&mut self, speed: &str) -> Result<(), Failure> {
        let set = format!(
            "speed.value = '{speed}'; speed.dispatchEvent(new Event('change')); speed.value"
        );
        let chosen = self.browser.eval(&set)?;
        self.check(
            "the speed can be chosen",
            chosen.as_str() == Some(speed),
            speed,
        );
        let before = self.browser.number("hubcast.time")?;
        self.browser.click("play")?;
        self.holds("play plays", "hubcast.playing")?;
        let frames = self.frames()?;
        let after = self.browser.number("hubcast.time")?;
        self.check(
            "the clock advances",
            after > before,
            &format!("by {:.2} s in about 2 s", (after - before) / 1e6),
        );
        self.check(
            "it moves smoothly",
            frames >= LEAST_FRAMES,
            &format!("{frames:.1} frames a second"),
        );
        self.browser.click("play")?;
        self.holds("pause pauses", "!hubcast.playing")
    }

    fn efficient(&mut self, page: &Path) -> Result<(), Failure> {
        self.open("efficient", page, (1280, 900))?;
        self.shot("efficient-light", true)?;
        self.play("1")?;

        self.browser.click_at("scrub", 0.5, 0.5)?;
        self.holds(
            "a click in the timeline goes there",
            "Math.abs(hubcast.time / hubcast.end - .5) < .02 || hubcast.time / hubcast.end",
        )?;
        self.browser.eval("document.activeElement.blur()")?;
        self.seek("5e6")?;
        let before = self
            .browser
            .eval("document.getElementById('event').textContent")?;
        self.browser.key("ArrowRight")?;
        let after = self
            .browser
            .eval("document.getElementById('event').textContent")?;
        self.check(
            "the right arrow steps to the next event",
            before != after,
            after.as_str().unwrap_or_default(),
        );
        self.holds(
            "and shows the message or request",
            "!!document.getElementById('json')",
        )?;
        self.browser.click("back")?;
        let back = self
            .browser
            .eval("document.getElementById('event').textContent")?;
        self.check("and the button steps back", back == before, "");

        self.browser
            .eval("document.getElementById('value').focus(); 1")?;
        self.browser.text("42")?;
        self.browser.key("Enter")?;
        self.holds("a value can be picked", "hubcast.picked.value === 42")?;
        self.holds(
            "its way to all nodes is listed",
            "document.querySelectorAll('#spread tr').length === 25",
        )?;
        self.seek("hubcast.time + 290000")?;
        self.shot("efficient-value", false)?;
        self.browser.key("Escape")?;
        self.holds("Escape lets it go", "hubcast.picked.value === null")?;

        self.seek("6.05e6")?;
        let found = self.browser.eval(
            "new Promise(done => { const look = t => { hubcast.seek(t); requestAnimationFrame(() => requestAnimationFrame(() => { \
               const mark = hubcast.marks().find(mark => mark.message >= 0 && hubcast.marks().every(other => other === mark || Math.hypot(other.x - mark.x, other.y - mark.y) > 20)); \
               if (mark) done([mark.x, mark.y, mark.message]); else look(t + 20000); })); }; look(6e6); })",
        )?;
        let (x, y, message) = match found.as_array() {
            Some([x, y, message]) => (number(x), number(y), number(message)),
            _ => return Err(Failure::new("no message was found on the picture")),
        };
        self.browser.click_point("tree", x, y)?;
        self.holds(
            "a message can be picked in the picture",
            &format!("hubcast.picked.message === {message} || hubcast.picked"),
        )?;
        self.holds(
            "its JSON is shown",
            "(json => !!json.src && !!json.dest && ['delta', 'ack'].includes(json.body.type))(JSON.parse(document.getElementById('json').textContent))",
        )?;
        self.holds(
            "and each of its fields explained",
            "(json => [...Object.keys(json.body), 'src', 'dest'].every(name => [...document.querySelectorAll('.fields dt')].some(dt => dt.textContent.startsWith(name + ':') && dt.nextSibling.textContent.length > 8)))(JSON.parse(document.getElementById('json').textContent))",
        )?;
        self.shot("efficient-message", false)?;
        self.browser.eval(
            "document.querySelector('#underway button').scrollIntoView({block: 'center', behavior: 'instant'}); document.querySelector('#underway button').focus(); 1",
        )?;
        self.browser.key("Enter")?;
        self.holds(
            "a message can be picked in the list, by keyboard",
            "String(hubcast.picked.message) === document.querySelector('#underway button').dataset.message",
        )?;
        let node = self.browser.eval("hubcast.nodeAt(5)")?;
        if let Some([x, y]) = node.as_array() {
            self.seek("6.34e6")?;
            self.browser.click_point("tree", number(x), number(y))?;
        }
        self.holds(
            "a node can be picked",
            "hubcast.picked.node === 5 || hubcast.picked",
        )?;
        self.holds(
            "its links are shown",
            "[...document.querySelectorAll('#links th')].map(th => th.textContent).join() === 'to,unacked,acked,sent,received,state' && document.querySelectorAll('#links tbody tr').length === 1",
        )?;
        self.browser.eval(
            "const node = document.getElementById('node'); node.value = '0'; node.dispatchEvent(new Event('change')); 1",
        )?;
        self.holds(
            "the hub has a link to each leaf",
            "document.querySelectorAll('#links tbody tr').length === 24",
        )?;
        self.shot("efficient-node", false)?;

        self.holds(
            "every control and picture has a name",
            "(bare => bare.length === 0 || bare.map(each => each.outerHTML.slice(0, 80)))([...document.querySelectorAll('button, select, input, canvas:not([aria-hidden])')].filter(each => !(each.getAttribute('aria-label') || each.textContent.trim() && each.tagName === 'BUTTON' || each.labels && each.labels.length)))",
        )?;
        self.holds(
            "the charts have tables",
            "[...document.querySelectorAll('#charts details')].every(each => { each.open = true; each.dispatchEvent(new Event('toggle')); const rows = each.querySelectorAll('tbody tr').length; each.open = false; return rows > 10; })",
        )?;
        self.browser.key("Escape")?;
        self.browser.media("dark", "no-preference")?;
        self.holds(
            "dark is dark",
            "(colour => Math.max(...colour.match(/\\d+/g).map(Number)) < 60 || colour)(getComputedStyle(document.body).backgroundColor)",
        )?;
        self.seek("6.05e6")?;
        self.shot("efficient-dark", true)?;
        self.browser.media("light", "reduce")?;
        self.browser.click("play")?;
        let frames = self.frames()?;
        self.browser.click("play")?;
        self.check(
            "who asked for little motion gets still pictures",
            frames < 4.0,
            &format!("{frames:.1} a second"),
        );
        self.quiet_console();
        self.narrow("efficient")
    }

    fn narrow(&mut self, name: &str) -> Result<(), Failure> {
        self.browser.media("light", "no-preference")?;
        self.browser.window((390, 844), 2)?;
        self.browser
            .eval("new Promise(done => setTimeout(() => done(1), 300))")?;
        self.holds(
            "a window of 390 pixels needs no sideways scrolling",
            "document.documentElement.scrollWidth <= 390 || [...document.querySelectorAll('body *')].filter(each => each.getBoundingClientRect().right > 391).slice(0, 5).map(each => each.outerHTML.slice(0, 60))",
        )?;
        self.shot(&format!("{name}-narrow"), true)?;
        self.quiet_console();
        Ok(())
    }

    fn partition(&mut self, page: &Path) -> Result<(), Failure> {
        self.open("partition", page, (1280, 900))?;
        self.holds("the run has a partition", "hubcast.cuts.length > 0")?;
        self.browser.eval(
            "const jump = document.getElementById('jump'); const cut = [...jump.options].find(option => option.textContent.startsWith('cut 1')); \
             jump.value = cut.value; jump.dispatchEvent(new Event('change')); 1",
        )?;
        self.holds(
            "a jump goes to the partition",
            "Math.abs(hubcast.time - hubcast.cuts[0][0]) < 200000 || hubcast.time",
        )?;
        self.play("1")?;
        self.holds(
            "the picture says that the network is cut",
            "/partition [a-z -]+ with/.test(document.getElementById('tree').getAttribute('aria-label')) || document.getElementById('tree').getAttribute('aria-label')",
        )?;
        self.seek("hubcast.cuts[0][0] + 1750000")?;
        self.shot("partition-light", true)?;
        self.browser.media("dark", "no-preference")?;
        self.browser.eval(
            "document.getElementById('replay').scrollIntoView({behavior: 'instant'}); const node = document.getElementById('node'); node.value = '0'; node.dispatchEvent(new Event('change')); 1",
        )?;
        self.holds(
            "the hub's links show the suspects",
            "[...document.querySelectorAll('#links td')].some(td => td.textContent === 'suspect')",
        )?;
        self.shot("partition-cut-dark", false)?;
        self.seek("hubcast.cuts[0][1] + 300000")?;
        self.shot("partition-heal-dark", true)?;
        self.quiet_console();
        self.seek("hubcast.cuts[0][0] + 1750000")?;
        self.narrow("partition")
    }

    /// 60 seconds of load: more than 10 000 messages.
    fn long(&mut self, page: &Path) -> Result<(), Failure> {
        self.open("a run of 60 s", page, (1280, 900))?;
        self.holds(
            "it has 10 000 messages",
            "hubcast.messages >= 10000 || hubcast.messages",
        )?;
        self.seek("30e6")?;
        self.play("1")?;
        self.browser.eval(
            "document.getElementById('lamport').scrollIntoView({block: 'center', behavior: 'instant'}); document.activeElement.blur(); 1",
        )?;
        self.browser.key(" ")?;
        let frames = self.frames()?;
        self.browser.key(" ")?;
        self.check(
            "the space-time diagram moves smoothly, too",
            frames >= LEAST_FRAMES,
            &format!("{frames:.1} frames a second"),
        );
        self.quiet_console();
        Ok(())
    }

    /// A tree with more than one hub.
    fn hubs(&mut self, page: &Path) -> Result<(), Failure> {
        self.open("60 nodes, several hubs", page, (1280, 900))?;
        self.shot("hubs-light", true)?;
        self.quiet_console();
        self.narrow("hubs")
    }
}

fn number(json: &Json<'_>) -> f64 {
    match json {
        Json::Int(int) => *int as f64,
        Json::Number(text) => text.parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

// The browser.

/// A running browser with one page open. Dropping it ends it.
struct Browser {
    process: Group,
    profile: PathBuf,
    socket: Option<WebSocket<TcpStream>>,
    session: String,
    last_id: i64,
    /// What the page's console said that it should not.
    problems: Vec<String>,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Before its profile goes: it still writes there.
        let _ = self.process.end();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

impl Browser {
    fn start(program: &Path) -> Result<Browser, Failure> {
        let profile = std::env::temp_dir().join(format!("hubcast-page-{}", std::process::id()));
        let _ = fs::remove_dir_all(&profile);
        fs::create_dir_all(&profile)?;
        let mut command = Command::new(program);
        command
            .args([
                "--headless",
                // Containers, and root, have no sandbox; the page is our own.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
                "--hide-scrollbars",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = Group::start(&mut command).map_err(|error| {
            Failure::new(format!("cannot start {}: {error}", program.display()))
        })?;
        // From here on dropping it ends the browser, whatever fails.
        let mut browser = Browser {
            process,
            profile,
            socket: None,
            session: String::new(),
            last_id: 0,
            problems: Vec::new(),
        };
        let (port, path) = browser.address()?;
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(LOOK_INTERVAL))?;
        stream.set_nodelay(true)?;
        browser.socket = Some(WebSocket::connect(
            stream,
            &format!("127.0.0.1:{port}"),
            &path,
        )?);
        let target = browser.call("Target.createTarget", r#"{"url":"about:blank"}"#)?;
        let target = text(&target, "targetId")?;
        let attach = format!(r#"{{"targetId":{},"flatten":true}}"#, quote(&target));
        let attached = browser.call("Target.attachToTarget", &attach)?;
        browser.session = text(&attached, "sessionId")?;
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, "{}")?;
        }
        Ok(browser)
    }

    /// The port and the path that the browser chose, from the file in which it says so.
    fn address(&mut self) -> Result<(u16, String), Failure> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(file) = fs::read_to_string(self.profile.join("DevToolsActivePort"))
                && let Some((port, path)) = file.split_once('\n')
                && let Ok(port) = port.trim().parse()
                && path.starts_with('/')
            {
                return Ok((port, path.trim().to_owned()));
            }
            if let Some(status) = self.process.ended()? {
                return Err(Failure::new(format!(
                    "the browser ended at its start: {status}"
                )));
            }
            interrupted()?;
            thread::sleep(LOOK_INTERVAL);
        }
        Err(Failure::new("the browser did not open its debugging port"))
    }

    /// Calls a method and waits for its result. `params` is JSON.
    fn call(&mut self, method: &str, params: &str) -> Result<Json<'static>, Failure> {
        self.last_id += 1;
        let id = self.last_id;
        let session = if self.session.is_empty() {
            String::new()
        } else {
            format!(r#","sessionId":{}"#, quote(&self.session))
        };
        let request = format!(r#"{{"id":{id},"method":"{method}","params":{params}{session}}}"#);
        let Some(socket) = &mut self.socket else {
            return Err(Failure::new("the browser is not connected"));
        };
        socket.send(request.as_bytes())?;
        let begun = Instant::now();
        loop {
            let Some(message) = socket.receive()? else {
                interrupted()?;
                if begun.elapsed() > PATIENCE {
                    return Err(Failure::new(format!("the browser did not answer {method}")));
                }
                continue;
            };
            let json = Json::parse(&message)
                .map_err(|error| Failure::new(format!("from the browser: {error}")))?;
            if json.get("id").and_then(Json::as_int) == Some(id) {
                if let Some(error) = json.get("error") {
                    return Err(Failure::new(format!("{method}: {error}")));
                }
                return Ok(json.get("result").map_or(Json::Null, Json::to_static));
            }
            self.problems.extend(problem(&json));
        }
    }

    /// The value of an expression in the page, awaited if it is a promise.
    fn eval(&mut self, expression: &str) -> Result<Json<'static>, Failure> {
        // In a block, so that a `const` of one does not disturb the next.
        let block = format!("{{ {expression} }}");
        let params = format!(
            r#"{{"expression":{},"returnByValue":true,"awaitPromise":true}}"#,
            quote(&block)
        );
        let result = self.call("Runtime.evaluate", &params)?;
        if let Some(details) = result.get("exceptionDetails") {
            return Err(Failure::new(format!("{expression}: {details}")));
        }
        let value = result.get("result").and_then(|result| result.get("value"));
        Ok(value.map_or(Json::Null, Json::to_static))
    }

    /// Lets the page draw what was changed: one frame to draw, one to be sure.
    fn settle(&mut self) -> Result<(), Failure> {
        self.eval("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")?;
        Ok(())
    }

    fn number(&mut self, expression: &str) -> Result<f64, Failure> {
        Ok(number(&self.eval(expression)?))
    }

    fn open(&mut self, page: &Path) -> Result<(), Failure> {
        let url = format!("file://{}", page.display());
        self.call("Page.navigate", &format!(r#"{{"url":{}}}"#, quote(&url)))?;
        let begun = Instant::now();
        let ready = "document.readyState === 'complete' && location.protocol === 'file:' && typeof hubcast === 'object'";
        while self.eval(ready)? != Json::Bool(true) {
            if begun.elapsed() > PATIENCE {
                return Err(Failure::new(format!(
                    "{url} did not open: {}",
                    self.problems.join("; ")
                )));
            }
            thread::sleep(LOOK_INTERVAL);
        }
        Ok(())
    }

    fn window(&mut self, (width, height): (u32, u32), scale: u32) -> Result<(), Failure> {
        let params = format!(
            r#"{{"width":{width},"height":{height},"deviceScaleFactor":{scale},"mobile":{}}}"#,
            width < 500
        );
        self.call("Emulation.setDeviceMetricsOverride", &params)?;
        Ok(())
    }

    fn media(&mut self, scheme: &str, motion: &str) -> Result<(), Failure> {
        let params = format!(
            r#"{{"features":[{{"name":"prefers-color-scheme","value":"{scheme}"}},{{"name":"prefers-reduced-motion","value":"{motion}"}}]}}"#
        );
        self.call("Emulation.setEmulatedMedia", &params)?;
        Ok(())
    }

    /// Clicks the middle of the element with this id.
    fn click(&mut self, id: &str) -> Result<(), Failure> {
        self.click_at(id, 0.5, 0.5)
    }

    /// Clicks into an element, at this share of its width and height.
    fn click_at(&mut self, id: &str, x: f64, y: f64) -> Result<(), Failure> {
        let size = self.eval(&format!(
            "const box = document.getElementById('{id}').getBoundingClientRect(); [box.width, box.height]"
        ))?;
        match size.as_array() {
            Some([width, height]) => self.click_point(id, number(width) * x, number(height) * y),
            _ => Err(Failure::new(format!("the page has no {id}"))),
        }
    }

    /// Clicks into an element, this many pixels from its corner.
    fn click_point(&mut self, id: &str, x: f64, y: f64) -> Result<(), Failure> {
        let corner = self.eval(&format!(
            "const it = document.getElementById('{id}'); it.scrollIntoView({{block: 'center', behavior: 'instant'}}); \
             const box = it.getBoundingClientRect(); [box.left, box.top]"
        ))?;
        let Some([left, top]) = corner.as_array() else {
            return Err(Failure::new(format!("the page has no {id}")));
        };
        let (x, y) = (number(left) + x, number(top) + y);
        for kind in ["mousePressed", "mouseReleased"] {
            let params = format!(
                r#"{{"type":"{kind}","x":{x:.1},"y":{y:.1},"button":"left","buttons":1,"clickCount":1}}"#
            );
            self.call("Input.dispatchMouseEvent", &params)?;
        }
        self.settle()
    }

    fn key(&mut self, key: &str) -> Result<(), Failure> {
        let (code, number, text) = match key {
            "Enter" => ("Enter", 13, r#","text":"\r""#),
            " " => ("Space", 32, r#","text":" ""#),
            "Escape" => ("Escape", 27, ""),
            "ArrowRight" => ("ArrowRight", 39, ""),
            other => (other, 0, ""),
        };
        for (kind, text) in [("keyDown", text), ("keyUp", "")] {
            let params = format!(
                r#"{{"type":"{kind}","key":{},"code":"{code}","windowsVirtualKeyCode":{number}{text}}}"#,
                quote(key)
            );
            self.call("Input.dispatchKeyEvent", &params)?;
        }
        self.settle()
    }

    fn text(&mut self, text: &str) -> Result<(), Failure> {
        let params = format!(r#"{{"text":{}}}"#, quote(text));
        self.call("Input.insertText", &params)?;
        Ok(())
    }

    /// A PNG of the window, or of the whole page.
    fn screenshot(&mut self, whole: bool) -> Result<Vec<u8>, Failure> {
        let params = if whole {
            let size = self.eval(
                "[document.documentElement.clientWidth, document.documentElement.scrollHeight]",
            )?;
            let Some([width, height]) = size.as_array() else {
                return Err(Failure::new("the page has no size"));
            };
            format!(
                r#"{{"captureBeyondViewport":true,"clip":{{"x":0,"y":0,"width":{width},"height":{height},"scale":1}}}}"#
            )
        } else {
            "{}".into()
        };
        let shot = self.call("Page.captureScreenshot", &params)?;
        from_base64(&text(&shot, "data")?)
            .ok_or_else(|| Failure::new("the browser's screenshot is not base64"))
    }
}

fn interrupted() -> Result<(), Failure> {
    match stdio::signal_received() {
        None => Ok(()),
        Some(signal) => Err(Failure::new(format!("interrupted by signal {signal}"))),
    }
}

/// What an event says that a good page does not make the browser say.
fn problem(event: &Json<'_>) -> Option<String> {
    let params = event.get("params")?;
    let clip = |json: &Json<'_>| json.to_string().chars().take(400).collect::<String>();
    match event.get("method")?.as_str()? {
        "Runtime.exceptionThrown" => Some(clip(params.get("exceptionDetails")?)),
        "Runtime.consoleAPICalled" => match params.get("type")?.as_str()? {
            "error" | "warning" | "assert" => Some(clip(params.get("args")?)),
            _ => None,
        },
        "Log.entryAdded" => {
            let entry = params.get("entry")?;
            let level = entry.get("level")?.as_str()?;
            (level == "error" || level == "warning").then(|| clip(entry))
        }
        _ => None,
    }
}

fn quote(text: &str) -> String {
    let mut out = Vec::new();
    json::encode_str(text, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn text(json: &Json<'_>, name: &str) -> Result<String, Failure> {
    let text = json.get(name).and_then(Json::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| Failure::new(format!("the browser's answer has no {name}")))
}

/// RFC 4648, section 4. `None` if it is none.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

// WebSocket, RFC 6455.

/// What a frame is (section 5.2).
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The client's end of a WebSocket: text messages out and in.
///
/// A client masks what it sends (section 5.3) and a server does not. The mask
/// keeps proxies from taking a page's data for their own protocol; here there is
/// none, so any bytes will do. Nor is the server's `Sec-WebSocket-Accept`
/// verified, which tells a WebSocket from something else that says 101.
#[derive(Debug)]
struct WebSocket<S> {
    stream: S,
    /// Bytes that have arrived and are no whole frame yet.
    buffer: Vec<u8>,
    /// The message whose fragments are arriving.
    message: Vec<u8>,
    masks: Rng,
}

impl<S: Read + Write> WebSocket<S> {
    /// Shakes hands (section 4.1).
    fn connect(stream: S, host: &str, path: &str) -> Result<WebSocket<S>, Failure> {
        let mut socket = WebSocket {
            stream,
            buffer: Vec::new(),
            message: Vec::new(),
            masks: Rng::new(0, "masks"),
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        socket.stream.write_all(request.as_bytes())?;
        let begun = Instant::now();
        loop {
            let end = socket
                .buffer
                .windows(4)
                .position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let head = String::from_utf8_lossy(&socket.buffer[..end]).into_owned();
                socket.buffer.drain(..end + 4);
                let status = head.lines().next().unwrap_or_default();
                if status.split(' ').nth(1) != Some("101") {
                    return Err(Failure::new(format!(
                        "the browser refused the WebSocket: {status}"
                    )));
                }
                return Ok(socket);
            }
            if begun.elapsed() > PATIENCE {
                return Err(Failure::new("the browser did not shake hands"));
            }
            interrupted()?;
            socket.fill()?;
        }
    }

    /// Sends a text message, in one frame.
    fn send(&mut self, payload: &[u8]) -> Result<(), Failure> {
        self.send_frame(TEXT, payload)
    }

    fn send_frame(&mut self, opcode: u8, payload: &[u8]) -> Result<(), Failure> {
        let mask = (self.masks.below(1 << 32) as u32).to_be_bytes();
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length @ 126..0x1_0000 => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(mask);
        let masked = payload.iter().zip(mask.iter().cycle());
        frame.extend(masked.map(|(byte, mask)| byte ^ mask));
        Ok(self.stream.write_all(&frame)?)
    }

    /// The next text message; `None` if none came before the stream's timeout.
    fn receive(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            let Some((last, opcode, payload)) = self.take_frame()? else {
                if self.fill()? {
                    continue;
                }
                return Ok(None);
            };
            match opcode {
                TEXT | CONTINUATION => {
                    self.message.extend(payload);
                    if self.message.len() > MAX_MESSAGE {
                        return Err(Failure::new("the browser's message is too long"));
                    }
                    if last {
                        return Ok(Some(std::mem::take(&mut self.message)));
                    }
                }
                PING => self.send_frame(PONG, &payload)?,
                CLOSE => return Err(Failure::new("the browser closed the connection")),
                _ => {}
            }
        }
    }

    /// The first whole frame of the buffer: whether it is a message's last, what
    /// it is, and what it holds.
    fn take_frame(&mut self) -> Result<Option<(bool, u8, Vec<u8>)>, Failure> {
        let [first, second, rest @ ..] = self.buffer.as_slice() else {
            return Ok(None);
        };
        let (length, head) = match (second & 0x7f, rest) {
            (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 4),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10)
            }
            (126 | 127, _) => return Ok(None),
            (length, _) => (u64::from(length), 2),
        };
        if length > MAX_MESSAGE as u64 || second & 0x80 != 0 {
            return Err(Failure::new("the browser's frame is too long, or masked"));
        }
        let end = head + length as usize;
        if self.buffer.len() < end {
            return Ok(None);
        }
        let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
        let payload = self.buffer[head..end].to_vec();
        self.buffer.drain(..end);
        Ok(Some((last, opcode, payload)))
    }

    /// Reads what is there; `false` if nothing came before the stream's timeout.
    fn fill(&mut self) -> Result<bool, Failure> {
        let mut chunk = [0; 1 << 16];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(Failure::new("the browser hung up")),
            Ok(length) => {
                self.buffer.extend_from_slice(&chunk[..length]);
                Ok(true)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::TimedOut
                        | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read comes from `input`, five bytes at a time; what is written goes to `output`.
    #[derive(Debug, Default)]
    struct Pipe {
        input: Vec<u8>,
        output: Vec<u8>,
    }

    impl Read for Pipe {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.input.is_empty() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let count = self.input.len().min(out.len()).min(5);
            out[..count].copy_from_slice(&self.input[..count]);
            self.input.drain(..count);
            Ok(count)
        }
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.output.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn connected(input: &[u8]) -> WebSocket<Pipe> {
        let pipe = Pipe {
            input: [
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
                input,
            ]
            .concat(),
            output: Vec::new(),
        };
        let mut socket = WebSocket::connect(pipe, "127.0.0.1:9", "/devtools").expect("connects");
        socket.stream.output.clear();
        socket
    }

    /// A client's frame as a server's: without its mask.
    fn unmask(frame: &[u8]) -> Vec<u8> {
        let head = match frame[1] & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        assert_ne!(frame[1] & 0x80, 0, "a client masks its frames");
        let (mask, payload) = frame[head..].split_at(4);
        let mut out = frame[..head].to_vec();
        out[1] &= 0x7f;
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
        out
    }

    #[test]
    fn what_is_sent_in_frames_of_every_length_form_comes_back() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
            let payload: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let mut socket = connected(b"");
            socket.send(&payload).expect("sends");
            let frame = socket.stream.output.clone();
            assert!(length < 8 || !frame.windows(8).any(|part| part == &payload[..8]));
            let mut other = connected(&unmask(&frame));
            let received = loop {
                if let Some(received) = other.receive().expect("receives") {
                    break received;
                }
            };
            assert!(received == payload, "{length} bytes");
        }
    }

    #[test]
    fn fragments_are_joined_and_a_ping_between_them_is_answered() {
        let mut socket = connected(b"\x01\x03one\x89\x02hi\x80\x03two");
        assert_eq!(socket.receive(), Ok(Some(b"onetwo".to_vec())));
        assert_eq!(unmask(&socket.stream.output), b"\x8a\x02hi");
        assert_eq!(socket.receive(), Ok(None), "nothing more has come");
    }

    #[test]
    fn a_close_a_huge_frame_and_a_refused_handshake_are_failures() {
        assert!(connected(b"\x88\x00").receive().is_err());
        assert!(
            connected(b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff")
                .receive()
                .is_err()
        );
        let pipe = Pipe {
            input: b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec(),
            output: Vec::new(),
        };
        let refused = WebSocket::connect(pipe, "127.0.0.1:9", "/").expect_err("refused");
        assert!(refused.text.contains("404"));
    }

    #[test]
    fn base64_is_read_with_and_without_padding() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9vYmFy", b"foobar"),
            ("+/8=", b"\xfb\xff"),
        ] {
            assert_eq!(from_base64(text).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(from_base64("a b"), None);
    }

    #[test]
    fn errors_and_exceptions_of_the_page_are_problems_and_its_notes_are_not() {
        let event = |text: &str| problem(&Json::parse(text.as_bytes()).expect("JSON"));
        let error = r#"{"method":"Runtime.consoleAPICalled","params":{"type":"error","args":[1]}}"#;
        assert_eq!(event(error).as_deref(), Some("[1]"));
        assert_eq!(event(&error.replace("\"error\"", "\"log\"")), None);
        let thrown = r#"{"method":"Runtime.exceptionThrown","params":{"exceptionDetails":{"text":"Uncaught"}}}"#;
        assert!(event(thrown).is_some_and(|text| text.contains("Uncaught")));
    }
}
