the program
