<!-- template @RELEASE@ -->
