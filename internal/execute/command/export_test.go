package command

// LeftBehind lets tests look for processes as the mover does.
var LeftBehind = leftBehind
