// Package provider resolves the variables ${provider:path:key} of configurations from files, folders and the environment.
//
// In: the worker's options config.providers.*, and configurations as they were written. Out: configurations with the values in place; how task
// configurations are written back with the variables. No goroutines. What a variable stands for is read anew each time; nothing is kept, and no
// value has an end of its time.
package provider
