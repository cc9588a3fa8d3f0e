#entry none
