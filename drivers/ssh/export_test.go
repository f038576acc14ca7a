package ssh

// RunProgram is the program that runs a script on its host.
var RunProgram = runProgram
