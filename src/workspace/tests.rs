//! Which files are read, and that no path leads to others.

use std::{fs, os::unix::fs::symlink};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A workspace with files in it, beside one that nobody may see.
struct Place {
    folder: TempDir,
    workspace: Workspace,
}

const OUTSIDE: &[u8] = b"outside";

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    for folder in ["root/deep/er", "second", "other"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    fs::write(at("other/secret"), OUTSIDE).unwrap();
    fs::write(at("secret"), OUTSIDE).unwrap();
    fs::write(at("root/file"), "inside").unwrap();
    fs::write(at("root/deep/er/file"), "deep").unwrap();
    fs::write(at("second/only"), "second").unwrap();
    symlink("../file", at("root/deep/near")).unwrap();
    symlink("../../secret", at("root/deep/out")).unwrap();
    symlink(at("other"), at("root/away")).unwrap();
    symlink("loop", at("root/loop")).unwrap();
    nix::unistd::mkfifo(&at("root/pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let settings = WorkspaceSettings {
        roots: vec!["root".into(), "second".into(), "absent".into()],
    };
    let workspace = Workspace::new(&settings, Some(folder.path()));
    Place { folder, workspace }
}

impl Place {
    async fn read(&self, path: &str) -> Result<(String, Vec<u8>), Unreadable> {
        let read = read(&self.workspace, &[path], 100).await;
        let file = read.map_err(|refused| refused.why)?.files.remove(0);
        Ok((file.path, file.bytes))
    }
}

async fn read(
    workspace: &Workspace,
    paths: &[&str],
    most: u64,
) -> Result<ReadFiles<ReadFile>, UnreadableFile> {
    let paths = paths.iter().map(|&path| path.to_owned()).collect();
    workspace.read(paths, most, |_, file| Ok(file)).await
}

#[tokio::test]
async fn a_file_below_a_root_is_read_by_its_path_from_there_or_its_whole_path() {
    let place = place();
    let whole = place.folder.path().join("root/deep/er/file");
    let second = place.folder.path().join("second/../second/only");
    for (path, below, content) in [
        ("file", "root/file", "inside"),
        ("./deep/.././file", "root/file", "inside"),
        // A link inside is the file that it leads to.
        ("deep/near", "root/file", "inside"),
        ("only", "second/only", "second"),
        (whole.to_str().unwrap(), "root/deep/er/file", "deep"),
    ] {
        let (told, bytes) = place.read(path).await.unwrap();
        assert_eq!(
            (told.as_str(), &bytes[..]),
            (below, content.as_bytes()),
            "{path}"
        );
    }
    // A path that leaves a root leaves it, wherever it comes back.
    assert_eq!(
        place.read(second.to_str().unwrap()).await,
        Err(Unreadable::Forbidden)
    );
}

#[tokio::test]
async fn what_is_no_file_of_the_workspace_is_told_and_not_read() {
    let place = place();
    let outside = place.folder.path().join("other/secret");
    let up = place.folder.path().join("root/../secret");
    for (path, why) in [
        ("absent", Unreadable::Absent),
        ("file/below", Unreadable::Absent),
        ("with\0nul", Unreadable::Absent),
        (&*"long".repeat(2000), Unreadable::Absent),
        ("../secret", Unreadable::Forbidden),
        (up.to_str().unwrap(), Unreadable::Forbidden),
        ("deep/out", Unreadable::Forbidden),
        ("away/secret", Unreadable::Forbidden),
        ("loop", Unreadable::Forbidden),
        ("deep", Unreadable::NotAFile),
        (".", Unreadable::NotAFile),
        ("", Unreadable::NotAFile),
        ("pipe", Unreadable::NotAFile),
        (outside.to_str().unwrap(), Unreadable::Outside),
        ("/proc/self/environ", Unreadable::Outside),
        ("/etc/passwd", Unreadable::Outside),
    ] {
        assert_eq!(place.read(path).await, Err(why), "{path}");
    }
    let none = Workspace::new(&WorkspaceSettings::default(), Some(place.folder.path()));
    let refused = read(&none, &["root/file"], 100).await.unwrap_err();
    assert_eq!(refused.why, Unreadable::NoRoots);
}

#[tokio::test]
async fn what_is_too_large_alone_or_together_is_not_read_and_room_is_given_back() {
    let place = place();
    let root = place.folder.path().join("root");
    fs::write(root.join("large"), vec![1; 101]).unwrap();
    assert_eq!(place.read("large").await, Err(Unreadable::TooLarge));
    let half = usize::try_from(MAX_CALL_BYTES / 2 + 1).unwrap();
    for name in ["a", "b"] {
        fs::write(root.join(name), vec![1; half]).unwrap();
    }
    let refused = read(&place.workspace, &["a", "b"], MAX_CALL_BYTES)
        .await
        .unwrap_err();
    assert_eq!((refused.index, refused.why), (1, Unreadable::TooLarge));
    let free = || place.workspace.room.available_permits();
    let before = free();
    let one = read(&place.workspace, &["a"], MAX_CALL_BYTES)
        .await
        .unwrap();
    assert_eq!(free(), before - (4 * half).div_ceil(1024));
    drop(one);
    assert_eq!(free(), before);
    assert_eq!(place.workspace.turns.available_permits(), TURNS);
}

fn steps() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just("deep".to_owned()),
        Just("er".to_owned()),
        Just("out".to_owned()),
        Just("away".to_owned()),
        Just("near".to_owned()),
        Just("secret".to_owned()),
        Just("file".to_owned()),
        Just("other".to_owned()),
        Just("root".to_owned()),
        "[a-z/.]{0,4}",
    ];
    prop::collection::vec(step, 0..8).prop_map(|steps| steps.join("/"))
}

proptest! {
    #[test]
    fn no_path_leads_out_of_the_workspace(path in steps(), is_whole in any::<bool>()) {
        let place = place();
        let path = if is_whole {
            format!("{}/{path}", place.folder.path().display())
        } else {
            path
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        if let Ok((_, bytes)) = runtime.block_on(place.read(&path)) {
            prop_assert_ne!(&bytes[..], OUTSIDE);
        }
    }
}

#[test]
fn a_file_that_may_not_be_there_is_called_by_the_names_that_it_would_have() {
    let place = place();
    let whole = place.folder.path().join("root/deep/../x");
    let whole = whole.to_str().unwrap();
    for (path, names) in [
        ("./a/../x", &["root/x", "second/x", "absent/x"][..]),
        (whole, &["root/x"]),
        ("/etc/passwd", &[]),
    ] {
        assert_eq!(place.workspace.candidates(path), names, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_room_is_told_to_come_again_and_keeps_nobody_waiting() {
    let place = place();
    let all = Arc::clone(&place.workspace.room)
        .acquire_many_owned(ROOM_KIB)
        .await;
    assert_eq!(place.read("file").await, Err(Unreadable::Busy));
    assert_eq!(place.workspace.turns.available_permits(), TURNS);
    drop(all);
    assert!(place.read("file").await.is_ok());
}
