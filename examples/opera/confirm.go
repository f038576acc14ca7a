package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// errDeclined means that the user said no.
var errDeclined = errors.New("stopped: nothing was changed")

// confirm asks before something that cannot be taken back. An empty answer is yes.
func confirm(ctx context.Context, std stdio, question string) error {
	fmt.Fprintf(std.out, "%s\nDo you want to continue? (Y/n): ", question)
	var line string
	var err error
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		line, err = bufio.NewReader(std.in).ReadString('\n')
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(std.out)
		return errInterrupted
	case <-answered:
	}
	if errors.Is(err, io.EOF) && line == "" {
		fmt.Fprintln(std.out)
		return errors.New("there is nobody to answer: standard input has ended; use --force to go on without asking")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "", "y", "yes":
		return nil
	}
	return errDeclined
}
