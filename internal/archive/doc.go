// Package archive makes one stream of bytes out of a directory, and a directory out of that: named data and results that are directories
// travel as zip files.
//
// # Guarantees
//
// Equal trees have equal archives: entries are sorted, times and owners are left out. Links and everything else that is neither file nor
// directory are refused on both sides, and a name that one machine can have and another cannot is refused when it is zipped.
//
// An archive from elsewhere is hostile until shown otherwise. [Unzip] looks at all names and sizes before it writes anything, writes
// nothing outside the directory it was given, overwrites nothing there, and stops at its [Limits] whatever the archive says of itself. What it wrote
// before an error stays: unpack into a directory that nobody sees yet.
package archive
