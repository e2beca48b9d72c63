//! Files for our eyes only, written where others may have planted links or left open files.

use rustix::fs::OFlags;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// A new, empty file of mode 0600 in the place of whatever had the name; a link is replaced, never followed.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // O_EXCL follows no link either.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Writes the whole text before it has its name.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut unnamed = path.as_os_str().to_owned();
    unnamed.push(".new");
    let unnamed = Path::new(&unnamed);
    create(unnamed)?.write_all(text.as_bytes())?;
    fs::rename(unnamed, path)
}

/// Makes a later `open` fail on a link.
pub(crate) fn no_link(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
}

#[cfg(test)]
mod tests {
    use super::write;
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    #[test]
    fn an_open_file_and_a_link_are_replaced() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let (open, target, link) =
            (folder.path().join("open"), folder.path().join("target"), folder.path().join("link"));
        fs::write(&open, "old").expect("written");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o666)).expect("chmod");
        fs::write(&target, "untouched").expect("written");
        symlink(&target, &link).expect("linked");
        symlink(&target, folder.path().join("open.new")).expect("linked");
        for path in [&open, &link] {
            write(path, "secret").expect("written");
            let data = fs::symlink_metadata(path).expect("there");
            assert!(data.is_file());
            assert_eq!(data.permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::read_to_string(path).expect("read"), "secret");
        }
        assert_eq!(fs::read_to_string(&target).expect("read"), "untouched");
    }
}
