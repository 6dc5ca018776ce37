//! The house rules: what may import what, where `unsafe` lives, how long files and functions may be, what the pages may name.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, top to ground. A module may use its own floor and those below.
const FLOORS: &[&[&str]] = &[
    &["ffi"],
    &["clients"],
    &[
        "pool",
        "pool_stats",
        "session",
        "queue",
        "route",
        "request",
        "response",
        "answer",
        "connections",
        "address",
        "base_url",
    ],
    &["transport", "body"],
    &["runtime", "driver", "submissions", "cancel", "abort", "readiness", "workers"],
    &["config", "error"],
    &["stats", "events", "metrics", "flags", "slots", "lock", "sync", "fork_gate", "sys"],
];

/// Every source file by its path below src, comments and tests cut away.
fn sources() -> BTreeMap<String, String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    let name = |path: &PathBuf| path.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/");
    files.iter().map(|path| (name(path), code(&fs::read_to_string(path).unwrap()))).collect()
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.path() {
            path if path.is_dir() => collect(&path, files),
            path if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
            _ => {}
        }
    }
}

fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

fn module(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The modules that a file names as `crate::module`, also in grouped imports.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let first =
            |name: &str| name.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned();
        if let Some(group) = rest.strip_prefix('{') {
            let group = &group[..group.find('}').unwrap()];
            found.extend(group.split(',').map(first).filter(|name| !name.is_empty()));
        } else {
            found.push(first(rest));
        }
    }
    found
}

#[test]
fn no_import_runs_up() {
    for (file, code) in sources().iter().filter(|(file, _)| *file != "lib.rs") {
        let own = floor(module(file)).unwrap_or_else(|| panic!("src/{file} has no floor; add it to FLOORS"));
        for import in imports(code) {
            let Some(its) = floor(&import) else { panic!("src/{file} imports crate::{import}, which has no floor") };
            assert!(its >= own, "src/{file} imports crate::{import} from above");
        }
    }
}

#[test]
fn no_imports_in_a_circle() {
    let mut uses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, code) in sources() {
        let own = module(&file).to_owned();
        let others = imports(&code).into_iter().filter(|other| *other != own);
        uses.entry(own.clone()).or_default().extend(others);
    }
    // Modules that only use finished ones are finished; a circle never is.
    let mut left = uses;
    while !left.is_empty() {
        let names: Vec<_> = left.keys().cloned().collect();
        left.retain(|_, others| others.iter().any(|other| names.contains(other)));
        assert!(left.len() < names.len(), "a circle among {names:?}");
    }
}

#[test]
fn unsafe_extern_and_libc_live_in_ffi_and_sys() {
    for (file, code) in sources().iter().filter(|(file, _)| !file.starts_with("ffi/") && *file != "sys.rs") {
        for word in ["unsafe", "extern", "libc"] {
            let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            assert!(!words.into_iter().any(|found| found == word), "src/{file} says {word}");
        }
    }
}

#[test]
fn only_transport_names_reqwest_and_hyper() {
    for (file, code) in sources().iter().filter(|(file, _)| !file.starts_with("transport/")) {
        // Our own folder of that name is no crate.
        let code = code.replace("transport::reqwest::", "").replace("reqwest_runtime", "");
        for name in ["reqwest", "hyper", "rustls", "h2::"] {
            assert!(!code.contains(name), "src/{file} names {name}");
        }
    }
}

#[test]
fn statics_hold_no_locks() {
    for (file, code) in sources() {
        for line in code.lines().filter(|line| line.trim_start().trim_start_matches("pub ").starts_with("static ")) {
            let plain = line.contains("Atomic") || line.contains("ATTEMPT");
            assert!(plain, "src/{file}: {line}: process state hangs off sys::process_state, a fork must find no lock");
        }
    }
}

#[test]
fn files_and_functions_fit_a_screen() {
    for (file, code) in sources() {
        let lines = code.lines().count();
        assert!(lines <= 600, "src/{file} has {lines} lines");
        let mut begun = None;
        for (number, line) in code.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let is_fn = line.trim_start().split("fn ").next().is_some_and(|before| {
                line.contains("fn ")
                    && before
                        .split(' ')
                        .all(|word| matches!(word, "" | "pub" | "async" | "unsafe" | "const" | "extern" | "\"C\""))
            });
            if is_fn {
                begun = Some((number, indent, line.trim().to_owned()));
                continue;
            }
            let Some((first, its, name)) = &begun else { continue };
            if line.trim() == "}" && indent == *its {
                assert!(number - first <= 60, "src/{file}: {name} has {} lines", number - first);
                begun = None;
            }
        }
    }
}

#[test]
fn exported_functions_parse_call_and_map() {
    for (file, code) in sources().iter().filter(|(file, _)| file.starts_with("ffi/")) {
        for body in code.split("#[unsafe(no_mangle)]").skip(1) {
            let function = &body[..body.find("\n}").unwrap()];
            let statements =
                function.lines().skip_while(|line| !line.ends_with('{')).filter(|line| !line.trim().is_empty()).count();
            let name = function.split("fn ").nth(1).unwrap().split('(').next().unwrap();
            assert!(statements <= 15, "src/{file}: {name} has {statements} lines");
        }
    }
}

#[test]
fn exported_functions_say_threads_and_since() {
    let header = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("include/aipool.h")).unwrap();
    let functions = header.split("/**\n").skip(1).filter(|part| part.contains("*/\nAIP_API"));
    let mut told = 0;
    for function in functions {
        let (text, declaration) = function.split_once("*/").unwrap();
        let text = text.replace("\n * ", " ");
        let name = declaration.split_once('(').unwrap().0.rsplit([' ', '*']).next().unwrap();
        assert!(text.contains("Since "), "{name}: since when?");
        assert!(["hread", "As aip_", "as aip_"].iter().any(|word| text.contains(word)), "{name}: in which threads?");
        told += 1;
    }
    assert!(told >= 70, "only {told} functions found");
}

/// The pages for people, by their path in the repository.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let name = |path: &PathBuf| path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
    let others = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|page| root.join(page));
    pages.chain(others).map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
}

/// The tests that a page names as `path/to/file.ext::name` between backticks.
fn named_tests(page: &str) -> impl Iterator<Item = (&str, &str)> {
    let code = page.split('`').skip(1).step_by(2);
    code.filter_map(|code| code.split_once("::")).filter(|(file, _)| file.contains('/') && !file.contains(' '))
}

/// Whether a line of Rust, C or Go begins a function of that name.
fn begins(line: &str, name: &str) -> bool {
    let line = line.trim_start();
    ["fn ", "pub fn ", "async fn ", "static ", "func "].iter().any(|word| line.starts_with(word))
        && line.contains(&format!(" {name}("))
}

#[test]
fn the_pages_name_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut of_incidents = 0;
    for (page, text) in pages() {
        for (file, name) in named_tests(&text) {
            let code =
                fs::read_to_string(root.join(file)).unwrap_or_else(|_| panic!("{page} names {file}: no such file"));
            assert!(code.lines().any(|line| begins(line, name)), "{page} names {file}::{name}, which does not exist");
            of_incidents += usize::from(page == "docs/incidents.md");
        }
    }
    assert!(of_incidents >= 24, "docs/incidents.md names {of_incidents} tests: are they still written as file::name?");
}

#[test]
fn every_class_of_incident_is_told() {
    let pages = pages();
    let (_, incidents) = pages.iter().find(|(page, _)| page == "docs/incidents.md").unwrap();
    let told: Vec<_> = incidents.lines().filter_map(|line| line.strip_prefix("## ")?.split_once(". ")).collect();
    let numbers: Vec<u32> = told.iter().filter_map(|(number, _)| number.parse().ok()).collect();
    assert_eq!(numbers, (1..=24).collect::<Vec<_>>());
}

/// What a translation keeps: how deep each heading is, and the language of each block.
fn shape(page: &str) -> Vec<&str> {
    let mut inside = false;
    let mut shape = Vec::new();
    for line in page.lines() {
        if line.starts_with("```") {
            inside = !inside;
            shape.push(line);
        } else if line.starts_with('#') && !inside {
            shape.push(line.split(' ').next().unwrap());
        }
    }
    shape
}

#[test]
fn both_guides_have_the_same_sections() {
    let pages = pages();
    let page = |name: &str| &pages.iter().find(|(page, _)| page == name).unwrap().1;
    assert_eq!(shape(page("docs/guide.md")), shape(page("docs/guide.ru.md")));
}

/// A page without its code blocks.
fn prose(page: &str) -> String {
    page.split("```").step_by(2).collect()
}

/// A heading as a link names it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut followed = 0;
    for (page, text) in pages() {
        let links: Vec<String> =
            prose(&text).split("](").skip(1).map(|link| link[..link.find(')').unwrap()].into()).collect();
        for link in links.iter().filter(|link| !link.starts_with("http")) {
            let (path, place) = link.split_once('#').unwrap_or((link, ""));
            let file = if path.is_empty() { root.join(&page) } else { root.join(&page).with_file_name(path) };
            assert!(file.exists(), "{page}: {link} leads nowhere");
            let found = place.is_empty()
                || prose(&fs::read_to_string(&file).unwrap())
                    .lines()
                    .any(|line| line.starts_with('#') && anchor(line) == place);
            assert!(found, "{page}: {link}: no such heading");
            followed += 1;
        }
    }
    assert!(followed > 80, "only {followed} links found");
}
