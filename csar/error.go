package csar

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Code classifies an error; programs act upon it.
type Code = errs.Code

// The codes that errors of this package carry.
const (
	InvalidArgument    = errs.InvalidArgument
	NotFound           = errs.NotFound
	AlreadyExists      = errs.AlreadyExists
	FailedPrecondition = errs.FailedPrecondition
	PermissionDenied   = errs.PermissionDenied
	Unavailable        = errs.Unavailable
	DeadlineExceeded   = errs.DeadlineExceeded
	Canceled           = errs.Canceled
	Failed             = errs.Failed
)

// Reason says precisely what is wrong with an archive. Reasons are stable.
type Reason string

// Names that no archive may hold.
const (
	// Slip: a name has ".." in it.
	Slip Reason = "slip"
	// AbsoluteName: a name begins with a slash.
	AbsoluteName Reason = "absolute-name"
	// Backslash: a name has a backslash, which some systems take for a separator.
	Backslash Reason = "backslash"
	// NulInName: a name has a NUL byte, where some systems cut it off.
	NulInName Reason = "nul-in-name"
	// DriveLetter: a name begins with a drive letter, such as "C:".
	DriveLetter Reason = "drive-letter"
	// BadName: a name is empty, no UTF-8, has control characters, "." or empty elements.
	BadName Reason = "bad-name"
	// LongName: a name is longer or deeper than the limits.
	LongName Reason = "long-name"
	// Duplicate: two entries have the same name.
	Duplicate Reason = "duplicate"
	// CaseTwin: two names differ in upper and lower case only.
	CaseTwin Reason = "case-twin"
	// FileAndFolder: a name is a file and a folder at once.
	FileAndFolder Reason = "file-and-folder"
)

// Contents that no archive may hold.
const (
	// Link: an entry is a symbolic or hard link, or a folder's link leaves the folder.
	Link Reason = "link"
	// SpecialFile: an entry is a device, pipe, socket or sparse file.
	SpecialFile Reason = "special-file"
	// Encrypted: an entry is encrypted.
	Encrypted Reason = "encrypted"
	// Compression: an entry is compressed by a method other than deflate.
	Compression Reason = "compression"
	// Ratio: an entry grows too much when it is decompressed.
	Ratio Reason = "ratio"
	// FileSize: a file is larger than the limit.
	FileSize Reason = "file-size"
	// TotalSize: all files together are larger than the limit.
	TotalSize Reason = "total-size"
	// TooManyEntries: there are more entries than the limit.
	TooManyEntries Reason = "too-many-entries"
	// SizeLie: a file is not as long as the archive says.
	SizeLie Reason = "size-lie"
	// Overlap: two entries share bytes of the archive.
	Overlap Reason = "overlap"
	// Truncated: the end of the archive is missing or damaged.
	Truncated Reason = "truncated"
	// Corrupt: what is there cannot be decompressed, or its checksum differs.
	Corrupt Reason = "corrupt"
)

// Archives that are no CSAR.
const (
	// NotAnArchive: the file is no zip, tar or YAML file.
	NotAnArchive Reason = "not-an-archive"
	// Missing: the file, folder or path does not exist.
	Missing Reason = "missing"
	// BadMeta: TOSCA.meta is not of its form.
	BadMeta Reason = "bad-meta"
	// TwoMetas: TOSCA.meta is there twice.
	TwoMetas Reason = "two-metas"
	// MetaSpelling: TOSCA.meta is there in other upper and lower case only.
	MetaSpelling Reason = "meta-spelling"
	// MetaKeyMissing: TOSCA.meta lacks a required keyname.
	MetaKeyMissing Reason = "meta-key-missing"
	// MetaVersion: TOSCA.meta is of a version that is not known.
	MetaVersion Reason = "meta-version"
	// EntryMissing: the service template or another definition that is named does not exist.
	EntryMissing Reason = "entry-missing"
	// EntryMismatch: TOSCA.meta names another service template than the caller.
	EntryMismatch Reason = "entry-mismatch"
	// NoTemplate: neither TOSCA.meta nor a YAML file at the root.
	NoTemplate Reason = "no-template"
	// ManyTemplates: no TOSCA.meta, and more than one YAML file at the root.
	ManyTemplates Reason = "many-templates"
	// TemplateMetadata: no TOSCA.meta, and the YAML file's metadata lacks its name or version.
	TemplateMetadata Reason = "template-metadata"
	// OutsideRoot: the service template does not lie in Options.Root.
	OutsideRoot Reason = "outside-root"
	// LinkCycle: a folder's link leads back to a folder above it.
	LinkCycle Reason = "link-cycle"
	// NotEmpty: the folder to unpack to has something in it.
	NotEmpty Reason = "not-empty"
)

// advice is what to do about a Reason; its code is InvalidArgument where codes
// has no other.
var advice = map[Reason]string{
	Slip:             "pack the archive again from inside its folder",
	AbsoluteName:     "pack the archive again from inside its folder",
	Backslash:        "use slashes in the names of an archive",
	DriveLetter:      "use names relative to the archive's root",
	Duplicate:        "remove one of them",
	CaseTwin:         "rename one: on many systems they are the same file",
	FileAndFolder:    "rename one of them",
	Link:             "replace the link by what it leads to",
	SpecialFile:      "an archive holds files and folders only",
	Encrypted:        "pack the archive without a password",
	Compression:      "pack the archive with deflate",
	Ratio:            "raise Limits.Ratio if the archive is trusted",
	FileSize:         "raise Limits.FileSize if the archive is trusted",
	TotalSize:        "raise Limits.TotalSize if the archive is trusted",
	TooManyEntries:   "raise Limits.Entries if the archive is trusted",
	LongName:         "shorten the name, or raise Limits.NameLength or Limits.Depth",
	Truncated:        "fetch the archive again",
	Corrupt:          "fetch the archive again",
	NotAnArchive:     "give a zip, tar, tar.gz, folder or YAML file",
	TwoMetas:         "keep the one in TOSCA-Metadata",
	MetaSpelling:     "rename it",
	NoTemplate:       "add TOSCA-Metadata/TOSCA.meta with Entry-Definitions, or one YAML file at the root",
	ManyTemplates:    "name one as Entry-Definitions in TOSCA-Metadata/TOSCA.meta",
	TemplateMetadata: "add it below metadata, or add TOSCA-Metadata/TOSCA.meta",
	OutsideRoot:      "give a root folder that holds the template",
	LinkCycle:        "remove the link",
	NotEmpty:         "give a new or empty folder",
}

var codes = map[Reason]Code{
	Missing:      NotFound,
	EntryMissing: NotFound,
	NoTemplate:   NotFound,
	NotEmpty:     AlreadyExists,
}

// Error says what is wrong with an archive. Its Code is found by unwrapping.
type Error struct {
	// Reason is what is wrong.
	Reason Reason
	// File is the path inside the archive, or empty; Line counts from 1 and is
	// 0 where it says nothing.
	File string
	Line int

	detail *errs.Error
}

// Error prints what was being done to which archive, the place in it, what is
// wrong and what to do about it.
func (e *Error) Error() string { return e.detail.Error() }

// Code classifies the error.
func (e *Error) Code() Code { return e.detail.Code }

// Unwrap returns the error of the module's error model.
func (e *Error) Unwrap() error { return e.detail }

// fault makes an Error about a file in the archive (or "").
func fault(reason Reason, file, format string, args ...any) *Error {
	return faultAt(reason, file, 0, format, args...)
}

func faultAt(reason Reason, file string, line int, format string, args ...any) *Error {
	cause := fmt.Errorf(format, args...)
	switch {
	case file != "" && line > 0:
		cause = fmt.Errorf("%s:%d: %w", printable(file), line, cause)
	case file != "":
		cause = fmt.Errorf("%s: %w", printable(file), cause)
	}
	code, ok := codes[reason]
	if !ok {
		code = InvalidArgument
	}
	return &Error{Reason: reason, File: file, Line: line,
		detail: &errs.Error{Code: code, Err: cause, Hint: advice[reason]}}
}

// within says what was being done to which archive where err does not yet.
func within(err error, op, subject string) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		if e.detail.Op == "" {
			e.detail.Op, e.detail.Subject = op, subject
		}
		return e
	}
	code := errs.CodeOf(err)
	if pe, ok := errors.AsType[*fs.PathError](err); ok && pe.Path == subject {
		err = pe.Err // the path is told already
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e := fault(Missing, "", "%w", err)
		e.detail.Op, e.detail.Subject = op, subject
		return e
	case errors.Is(err, fs.ErrPermission):
		code = errs.PermissionDenied
	case errors.Is(err, fs.ErrExist):
		code = AlreadyExists
	}
	return &errs.Error{Code: code, Op: op, Subject: subject, Err: err}
}

// printable quotes a name that a terminal should not see as it is.
func printable(name string) string {
	for _, r := range name {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return fmt.Sprintf("%q", name)
		}
	}
	return name
}
