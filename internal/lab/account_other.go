//go:build !unix

package lab

import (
	"errors"
	"syscall"
)

var errNotUnix = errors.New("the server is only started on Unix")

func unprivileged(string) (*syscall.SysProcAttr, error) { return nil, errNotUnix }

func kill(int, syscall.Signal) error { return errNotUnix }
