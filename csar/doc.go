// Package csar reads and writes Cloud Service Archives: the files of a TOSCA
// application, as an immutable view over [io/fs.FS].
//
// [Open] takes a zip (.csar, .zip), a tar (.tar, .tar.gz, .tgz), a folder or a
// lone YAML file, and nothing is extracted: templates and artifacts are read
// straight out of the archive. [Archive.Entry] is the service template that
// TOSCA.meta names, or the one YAML file at the root (TOSCA Simple Profile 1.3,
// chapter 6; TOSCA 2.0, chapter 17).
//
// # Hostile archives
//
// An archive file is read through once when it is opened, within [Limits], and
// refused as a whole where something in it could harm who uses it: names that
// leave the archive or that differ only in case, links and devices, bombs,
// sizes that lie, entries that overlap or are encrypted. Each has its own
// [Reason]. Afterwards a read never gives more than the size that was checked.
//
// Names that are equal only after Unicode normalisation (é as one character
// and as e with an accent) are not recognised as twins: the standard library
// has no normalisation tables.
//
// A folder is read when asked, not before. Links inside it are followed; a link
// that leaves it is refused when it is used. What would be refused in an
// archive file has no digest and cannot be packed.
//
// # Content
//
// [Archive.Digest] is the same for the zip, the tar and the folder of the same
// files, whatever their times and permissions. [Archive.Subset] narrows a view
// to the files that a template uses, [Pack] writes a zip that is the same byte
// for byte for the same content, and [Unpack] extracts one without leaving the
// target folder.
package csar
