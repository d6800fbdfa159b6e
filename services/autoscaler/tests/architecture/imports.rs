//! What each file of a crate imports, read from its syntax.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use syn::{
    Attribute, ItemMod, ItemUse, UseTree,
    visit::{self, Visit},
};

/// A path from the root of a crate, such as `["decide", "walk"]`; the root itself is empty.
pub type Module = Vec<String>;

/// The files of a crate by their modules, each with the paths that it names. Paths begin with `crate`, or with the name of
/// another crate. Tests inside of files are left out.
pub struct Imports(pub BTreeMap<Module, BTreeSet<Vec<String>>>);

impl Imports {
    /// Of the files below `folder`.
    pub fn of(folder: &Path) -> Self {
        let mut texts = BTreeMap::new();
        collect(folder, &mut Module::new(), &mut texts);
        Self::of_texts(texts)
    }

    /// Of these texts.
    pub fn of_texts(texts: BTreeMap<Module, String>) -> Self {
        let modules: BTreeSet<Module> = texts.keys().cloned().collect();
        let read = |(module, text): (Module, String)| {
            let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{module:?}: {error}"));
            let mut reader = Reader {
                modules: &modules,
                at: module.clone(),
                named: BTreeSet::new(),
            };
            reader.visit_file(&file);
            (module, reader.named)
        };
        Self(texts.into_iter().map(read).collect())
    }

    /// The files that a file names, itself left out.
    fn needs(&self, module: &Module) -> BTreeSet<&Module> {
        let files = self.0[module].iter().filter_map(|path| {
            let (first, rest) = path.split_first()?;
            (first == "crate").then_some(())?;
            // The longest beginning that is a file.
            (0..=rest.len())
                .rev()
                .find_map(|length| self.0.get_key_value(&rest[..length]))
                .map(|(file, _)| file)
        });
        files.filter(|file| *file != module).collect()
    }

    /// Files that need each other, however many lie between; each circle in order of names.
    pub fn circles(&self) -> Vec<Vec<String>> {
        let reach: BTreeMap<&Module, BTreeSet<&Module>> = self
            .0
            .keys()
            .map(|module| {
                let mut reached = BTreeSet::new();
                let mut ahead: Vec<&Module> = self.needs(module).into_iter().collect();
                while let Some(next) = ahead.pop() {
                    if reached.insert(next) {
                        ahead.extend(self.needs(next));
                    }
                }
                (module, reached)
            })
            .collect();
        let mut circles = BTreeSet::new();
        for (module, reached) in &reach {
            if reached.contains(module) {
                let beside = reached
                    .iter()
                    .filter(|other| reach[*other].contains(module));
                circles.insert(beside.map(|module| module.join("::")).collect::<Vec<_>>());
            }
        }
        circles.into_iter().collect()
    }
}

fn collect(folder: &Path, module: &mut Module, texts: &mut BTreeMap<Module, String>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            module.push(name);
            collect(&path, module, texts);
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut module = module.clone();
            match name.as_str() {
                // A binary is a caller of the library.
                "main" => continue,
                "lib" | "mod" => {}
                _ => module.push(name),
            }
            texts.insert(module, fs::read_to_string(&path).unwrap());
        }
    }
}

struct Reader<'a> {
    modules: &'a BTreeSet<Module>,
    at: Module,
    named: BTreeSet<Vec<String>>,
}

impl Reader<'_> {
    /// Notes a path as it is written here.
    fn note(&mut self, path: &[String]) {
        let mut base = self.at.clone();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate") => {
                base.clear();
                rest = &path[1..];
            }
            Some("self") => rest = &path[1..],
            Some("super") => {
                while rest.first().is_some_and(|part| part == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            Some(first) => {
                let mut child = self.at.clone();
                child.push(first.to_owned());
                if !self.modules.contains(&child) {
                    self.named.insert(path.to_vec());
                    return;
                }
            }
            None => return,
        }
        let whole = std::iter::once("crate".to_owned()).chain(base);
        self.named
            .insert(whole.chain(rest.iter().cloned()).collect());
    }

    fn tree(&mut self, tree: &UseTree, path: &mut Vec<String>) {
        match tree {
            UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.tree(&part.tree, path);
                path.pop();
            }
            UseTree::Name(name) => self.leaf(&name.ident.to_string(), path),
            UseTree::Rename(name) => self.leaf(&name.ident.to_string(), path),
            UseTree::Glob(_) => self.note(path),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, path)),
        }
    }

    fn leaf(&mut self, name: &str, path: &mut Vec<String>) {
        let is_self = name == "self" && !path.is_empty();
        if !is_self {
            path.push(name.to_owned());
        }
        self.note(path);
        if !is_self {
            path.pop();
        }
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|condition| condition.is_ident("test"))
    })
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'a ItemMod) {
        if item.content.is_none() || is_for_tests(&item.attrs) {
            return;
        }
        self.at.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.at.pop();
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.tree(&item.tree, &mut Vec::new());
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.segments.len() > 1 {
            let parts = path.segments.iter();
            self.note(&parts.map(|part| part.ident.to_string()).collect::<Vec<_>>());
        }
        visit::visit_path(self, path);
    }
}
