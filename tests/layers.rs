//! The layers: a module uses only those before it in the list on top of
//! src/lib.rs, and only `os` knows which system and processor this is.

use std::path::{Path, PathBuf};
use std::{fs, iter};

#[test]
fn a_module_uses_only_the_layers_below_it() {
    let order = listed();
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(place) = order.iter().position(|name| *name == source.module) else {
            wrong.push(format!("{} is of no layer", source.path));
            continue;
        };
        for used in source.uses() {
            if !order[..=place].iter().any(|name| name == used) {
                wrong.push(format!("{} uses {used}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "against the order in src/lib.rs:\n{}", wrong.join("\n"));
}

#[test]
fn only_os_knows_the_system() {
    let knows = |line: &&str| {
        line.contains("cfg")
            && ["target_", "unix", "windows"].iter().any(|word| line.contains(word))
    };
    let others = sources().into_iter().filter(|source| source.module != "os");
    let wrong: Vec<_> = others
        .flat_map(|source| {
            let lines: Vec<_> = source.code.lines().filter(knows).map(str::to_owned).collect();
            lines.into_iter().map(move |line| format!("{}: {line}", source.path))
        })
        .collect();
    assert!(wrong.is_empty(), "belongs into src/os:\n{}", wrong.join("\n"));
}

/// The modules, lowest first, as the numbered list under "# Layers" has them.
fn listed() -> Vec<String> {
    let text = fs::read_to_string(root().join("lib.rs")).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("//! "));
    let layers = lines
        .skip_while(|line| *line != "# Layers")
        .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    let names =
        layers.flat_map(|line| line.split(':').next().unwrap().split('`').skip(1).step_by(2));
    let names: Vec<_> = names.map(str::to_owned).collect();
    assert!(names.len() > 10, "no list of layers in src/lib.rs");
    names
}

struct Source {
    path: String,
    module: String,
    /// Without comments.
    code: String,
}

impl Source {
    /// The modules that it names: `crate::this` and `crate::{this, that}`.
    fn uses(&self) -> Vec<&str> {
        let after = |(at, found): (usize, &str)| &self.code[at + found.len()..];
        let paths = self.code.match_indices("crate::").map(after).flat_map(first_paths);
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        paths
            .map(|path| path.split_at(path.find(|c| !is_name(c)).unwrap_or(path.len())))
            // A macro has its name at the root, wherever it is.
            .filter(|(name, then)| !name.is_empty() && !then.starts_with('!'))
            .map(|(name, _)| name)
            .collect()
    }
}

/// The path that `code` starts with, or those of the group in braces.
fn first_paths(code: &str) -> Vec<&str> {
    if !code.starts_with('{') {
        return vec![code];
    }
    let (mut paths, mut depth, mut start) = (Vec::new(), 0, 1);
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || depth == 1 && c == ',' {
            paths.push(code[start..at].trim());
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    paths
}

/// Every source file but lib.rs.
fn sources() -> Vec<Source> {
    let mut directories = vec![root()];
    let files = iter::from_fn(|| {
        let directory = directories.pop()?;
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let (inner, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        directories.extend(inner);
        Some(files)
    });
    let rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let files = files.flatten().filter(rust).filter(|path| *path != root().join("lib.rs"));
    files.map(|file| source(&file)).collect()
}

fn source(file: &Path) -> Source {
    let path = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    let module = path.split(['/', '.']).next().unwrap().to_owned();
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    Source { path, module, code: lines.collect::<Vec<_>>().join("\n") }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}
