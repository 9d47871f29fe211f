//! Settings of the workspace: the section `workspace:`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::settings::Problem;

/// The section `workspace:`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkspaceSettings {
    /// The folders whose files tools may read, with what is below them. Default: none.
    pub roots: Vec<PathBuf>,
}

/// Where the kernel shows itself: what is read there is no file of anybody's work.
const NOT_OF_DISKS: [&str; 3] = ["/proc", "/sys", "/dev"];

impl WorkspaceSettings {
    /// Every problem of the section.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, root) in self.roots.iter().enumerate() {
            let mut refuse = |message: &str, help: &str| {
                let path = ["workspace", "roots", &index.to_string()];
                problems.push(Problem::at(path, message, help));
            };
            if root.as_os_str().is_empty() {
                refuse("a folder without a name", "write its path, or `.`");
            } else if root.starts_with("~") {
                refuse("`~` is not expanded", "write the whole path");
            } else if root.parent().is_none() {
                let help = "name the folders that hold what tools are to see";
                refuse("this is all of the machine", help);
            } else if NOT_OF_DISKS
                .iter()
                .any(|kernel| root.starts_with(Path::new(kernel)))
            {
                refuse("what is there are no files", "name a folder on a disk");
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_a_folder_of_files_and_not_the_machine() {
        let problems = |root: &str| {
            let roots = vec![".".into(), root.into()];
            let problems = WorkspaceSettings { roots }.problems();
            problems
                .into_iter()
                .map(|problem| problem.path.join("."))
                .collect::<Vec<_>>()
        };
        for right in ["work", "/srv/pictures", "../up"] {
            assert!(problems(right).is_empty(), "{right}");
        }
        for wrong in [
            "",
            "/",
            "~/pictures",
            "/proc",
            "/proc/self",
            "/sys/class",
            "/dev",
        ] {
            assert_eq!(problems(wrong), ["workspace.roots.1"], "{wrong}");
        }
    }
}
