// Package oci makes the images of the gateway's commands.
//
// An image is an OCI index of one image per platform, each of two layers over nothing: one with certificates, a user and
// /tmp, which all of them share, and one with the command. Beside each there is its bill of materials, attached to it as a
// referrer.
//
// The same commit gives the same digests, whoever builds it, where and when: times are the commit's or zero, owners and
// modes are written here, and the Go toolchain is the one that runs this program.
package oci
